//! Discovery v5 nodes of sigp's crate. Takes the orders of `devp2p-peer discover5` but those that only go-ethereum can carry
//! out, as JSON lines on stdin, and reports in the same lines on stdout. It only ever uses loopback.

mod node;
mod options;

use node::{Nodes, describe};
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::sync::Arc;

/// Writes one JSON object a line.
pub fn report(line: &Value) {
    let mut out = std::io::stdout().lock();
    // A parent that is gone takes this program with it: stdin ends, too.
    let _ = writeln!(out, "{line}");
}

/// The CPU time that the thread has used which does everything but read stdin, as Linux tells it.
fn usage() -> Result<Value, String> {
    let text = std::fs::read_to_string("/proc/self/schedstat").map_err(|e| e.to_string())?;
    let spent = text.split(' ').next().and_then(|first| first.parse::<f64>().ok());
    Ok(json!({ "cpuSeconds": spent.ok_or("no CPU time")? / 1e9 }))
}

async fn carry_out(nodes: &Nodes, cmd: &str, args: &Value) -> Result<Value, String> {
    match cmd {
        "start" => return nodes.start(args).await,
        "nodes" => return Ok(json!({ "nodes": nodes.list() })),
        "usage" => return usage(),
        _ => {}
    }
    let index = args["node"].as_u64().unwrap_or(0);
    match cmd {
        "close" => nodes.close(index),
        "ping" => nodes.ping(index, options::record(args)?).await,
        "findNode" => {
            let found = nodes
                .find(index, options::record(args)?, options::distances(args)?)
                .await?;
            Ok(json!({ "nodes": found.iter().map(describe).collect::<Vec<_>>() }))
        }
        "resolve" => nodes.resolve(index, options::record(args)?).await,
        "lookup" => nodes.lookup(index, options::target(args)?).await,
        "random" => nodes.random(index, args["count"].as_u64().unwrap_or(1) as usize).await,
        "table" => nodes.table(index),
        "talk" => nodes.talk(index, options::record(args)?, args).await,
        "update" => nodes.update(index, &args["entries"]),
        "move" => nodes.move_to(index, args).await,
        _ => Err(format!("unknown command {cmd:?}")),
    }
}

async fn answer(nodes: Arc<Nodes>, line: String) {
    let order: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
    let cmd = order["cmd"].as_str().unwrap_or_default();
    let mut done = match carry_out(&nodes, cmd, &order["args"]).await {
        Ok(mut fields) => {
            fields["event"] = json!("done");
            fields
        }
        Err(error) => json!({ "event": "failed", "error": error }),
    };
    done["ref"] = order["ref"].clone();
    report(&done);
}

fn main() {
    // One thread is enough for what a test asks, and leaves the others to the other side.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (lines, mut orders) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                break;
            }
        }
    });
    report(&json!({ "event": "ready" }));
    runtime.block_on(async {
        let nodes = Arc::new(Nodes::default());
        while let Some(line) = orders.recv().await {
            tokio::spawn(answer(nodes.clone(), line));
        }
    });
    std::process::exit(0);
}
