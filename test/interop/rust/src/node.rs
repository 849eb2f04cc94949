//! The nodes of this process.

use crate::options::{self, from_hex, to_hex};
use crate::report;
use discv5::{ConfigBuilder, Discv5, Enr, Event, ListenConfig, NodeContact};
use enr::{CombinedKey, NodeId};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;

/// How long random nodes are waited for, and between two lookups of them.
const RANDOM_PATIENCE: Duration = Duration::from_secs(10);
const RANDOM_PAUSE: Duration = Duration::from_millis(100);

struct Node {
    discv5: Discv5,
    secret: Vec<u8>,
    port: u16,
    /// What `start` was given.
    args: Value,
}

#[derive(Default)]
struct State {
    nodes: BTreeMap<u64, Node>,
    next: u64,
}

#[derive(Default)]
pub struct Nodes(Mutex<State>);

pub fn describe(enr: &Enr) -> Value {
    json!({ "id": to_hex(&enr.node_id().raw()), "seq": enr.seq(), "enr": enr.to_base64() })
}

fn describe_all(found: &[Enr]) -> Value {
    json!({ "nodes": found.iter().map(describe).collect::<Vec<_>>() })
}

fn describe_node(index: u64, enr: &Enr) -> Value {
    let mut details = describe(enr);
    details["index"] = json!(index);
    details
}

fn key_of(secret: &[u8]) -> Result<CombinedKey, String> {
    CombinedKey::secp256k1_from_bytes(&mut secret.to_vec()).map_err(|e| format!("{e:?}"))
}

fn text(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

/// Changes entries: RLP in hexadecimal, or null to take one out.
fn set_entries(enr: &mut Enr, entries: &Value, key: &CombinedKey) -> Result<(), String> {
    for (name, value) in entries.as_object().into_iter().flatten() {
        match value.as_str() {
            Some(rlp) => {
                enr.insert_raw_rlp(name, from_hex(rlp)?.into(), key).map_err(text)?;
            }
            None => enr.remove_key(name, key).map_err(text)?,
        }
    }
    Ok(())
}

async fn listen(ip: IpAddr, port: u16) -> Result<Arc<UdpSocket>, String> {
    Ok(Arc::new(
        UdpSocket::bind(SocketAddr::new(ip, port)).await.map_err(text)?,
    ))
}

/// Starts a node; `record` is what it had before, if it ran already.
async fn open(secret: Vec<u8>, args: Value, record: Option<Enr>, silent: bool) -> Result<Node, String> {
    let key = key_of(&secret)?;
    let first = listen(options::ip(&args)?, options::port(&args)?).await?;
    let second = match args["ip6"].as_bool() {
        Some(true) => Some(listen(Ipv6Addr::LOCALHOST.into(), 0).await?),
        _ => None,
    };
    let is_first_run = record.is_none();
    let mut enr = match record {
        Some(record) => record,
        None => Enr::empty(&key).map_err(text)?,
    };
    if !silent && args["hidden"] != true {
        for socket in [Some(&first), second.as_ref()].into_iter().flatten() {
            enr.set_udp_socket(socket.local_addr().map_err(text)?, &key)
                .map_err(text)?;
        }
    }
    if is_first_run {
        set_entries(&mut enr, &args["entries"], &key)?;
    }
    let address = first.local_addr().map_err(text)?;
    let (ipv4, ipv6) = if address.is_ipv4() {
        (Some(first), second)
    } else {
        (None, Some(first))
    };
    let mut config = ConfigBuilder::new(ListenConfig::FromSockets { ipv4, ipv6 });
    config.table_filter(options::is_loopback);
    // Else the endpoint leaves the record when nobody has come in for five minutes.
    config.auto_nat_listen_duration(None);
    if let Some(interval) = options::milliseconds(&args["pingMs"]) {
        config.ping_interval(interval);
    }
    if let Some(timeout) = options::milliseconds(&args["responseMs"]) {
        config.request_timeout(timeout);
    }
    let mut discv5 = Discv5::new(enr, key, config.build())?;
    discv5.start().await.map_err(text)?;
    for bootnode in options::strings(&args["bootnodes"]) {
        discv5.add_enr(options::parse_record(&bootnode)?)?;
    }
    Ok(Node {
        discv5,
        secret,
        port: address.port(),
        args,
    })
}

/// Echoes requests of protocols that the node knows; all others are answered with nothing when they are dropped.
async fn echo(index: u64, protocols: Vec<String>, mut events: tokio::sync::mpsc::Receiver<Event>) {
    while let Some(event) = events.recv().await {
        let Event::TalkRequest(request) = event else { continue };
        let protocol = String::from_utf8_lossy(request.protocol()).into_owned();
        if !protocols.contains(&protocol) {
            continue;
        }
        let from = to_hex(&request.node_id().raw());
        report(&json!({ "event": "talk", "node": index, "protocol": protocol, "from": from, "endpoint": null }));
        let body = request.body().to_vec();
        let _ = request.respond(body);
    }
}

impl Nodes {
    /// Shows a node to `act`; what that gives is awaited when the nodes are free again.
    fn with<T>(&self, index: u64, act: impl FnOnce(&Node) -> Result<T, String>) -> Result<T, String> {
        let state = self.0.lock().expect("no panic before");
        act(state
            .nodes
            .get(&index)
            .ok_or_else(|| format!("there is no node {index}"))?)
    }

    async fn add(&self, index: Option<u64>, node: Node) -> Result<Value, String> {
        let enr = node.discv5.local_enr();
        let events = node.discv5.event_stream().await.map_err(text)?;
        let mut protocols = options::strings(&node.args["talk"]);
        if node.args["talk"].is_null() {
            protocols.push("echo".to_string());
        }
        let mut state = self.0.lock().expect("no panic before");
        let index = index.unwrap_or(state.next);
        state.next = state.next.max(index + 1);
        state.nodes.insert(index, node);
        tokio::spawn(echo(index, protocols, events));
        Ok(describe_node(index, &enr))
    }

    pub async fn start(&self, args: &Value) -> Result<Value, String> {
        let mut started = Vec::new();
        for _ in 0..args["count"].as_u64().unwrap_or(1) {
            let secret = match args["key"].as_str() {
                Some(key) => from_hex(key)?,
                None => CombinedKey::generate_secp256k1().encode(),
            };
            let node = open(secret, args.clone(), None, false).await?;
            started.push(self.add(None, node).await?);
        }
        Ok(json!({ "nodes": started }))
    }

    pub fn list(&self) -> Vec<Value> {
        let state = self.0.lock().expect("no panic before");
        state
            .nodes
            .iter()
            .map(|(index, node)| describe_node(*index, &node.discv5.local_enr()))
            .collect()
    }

    pub fn close(&self, index: u64) -> Result<Value, String> {
        let removed = self.0.lock().expect("no panic before").nodes.remove(&index);
        removed
            .map(|_| json!({}))
            .ok_or_else(|| format!("there is no node {index}"))
    }

    pub async fn ping(&self, index: u64, enr: Enr) -> Result<Value, String> {
        let pong = self
            .with(index, |node| Ok(node.discv5.send_ping(enr)))?
            .await
            .map_err(text)?;
        Ok(json!({ "to": SocketAddr::new(pong.ip, pong.port).to_string(), "seq": pong.enr_seq }))
    }

    pub async fn find(&self, index: u64, enr: Enr, distances: Vec<u64>) -> Result<Vec<Enr>, String> {
        let asked = self.with(index, |node| Ok(node.discv5.find_node_designated_peer(enr, distances)))?;
        asked.await.map_err(text)
    }

    async fn find_closest(&self, index: u64, target: NodeId) -> Result<Vec<Enr>, String> {
        self.with(index, |node| Ok(node.discv5.find_node(target)))?
            .await
            .map_err(text)
    }

    pub async fn lookup(&self, index: u64, target: NodeId) -> Result<Value, String> {
        Ok(describe_all(&self.find_closest(index, target).await?))
    }

    /// The newest record of a node, from the node or by a lookup; else the one given.
    pub async fn resolve(&self, index: u64, enr: Enr) -> Result<Value, String> {
        let mut newest = enr.clone();
        let mut found = self.find(index, enr.clone(), vec![0]).await.unwrap_or_default();
        if found.is_empty() {
            found = self.find_closest(index, enr.node_id()).await?;
        }
        for other in found {
            if other.node_id() == enr.node_id() && other.seq() > newest.seq() {
                newest = other;
            }
        }
        Ok(json!({ "node": describe(&newest) }))
    }

    pub async fn random(&self, index: u64, wanted: usize) -> Result<Value, String> {
        let mut found = HashMap::new();
        let begun = Instant::now();
        while found.len() < wanted && begun.elapsed() < RANDOM_PATIENCE {
            for enr in self.find_closest(index, NodeId::random()).await? {
                found.insert(enr.node_id(), enr);
            }
            tokio::time::sleep(RANDOM_PAUSE).await;
        }
        Ok(describe_all(&found.into_values().take(wanted).collect::<Vec<_>>()))
    }

    pub fn table(&self, index: u64) -> Result<Value, String> {
        Ok(describe_all(
            &self.with(index, |node| Ok(node.discv5.table_entries_enr()))?,
        ))
    }

    pub async fn talk(&self, index: u64, enr: Enr, args: &Value) -> Result<Value, String> {
        let protocol = args["protocol"].as_str().unwrap_or_default().as_bytes().to_vec();
        let request = from_hex(args["data"].as_str().unwrap_or_default())?;
        let asked = self.with(index, |node| {
            let contact = NodeContact::try_from_enr(enr, node.discv5.ip_mode()).map_err(text)?;
            Ok(node.discv5.talk_req(contact, protocol, request))
        })?;
        Ok(json!({ "data": to_hex(&asked.await.map_err(text)?) }))
    }

    pub fn update(&self, index: u64, entries: &Value) -> Result<Value, String> {
        self.with(index, |node| {
            let own = node.discv5.external_enr();
            let mut enr = own.write();
            set_entries(&mut enr, entries, &key_of(&node.secret)?)?;
            Ok(json!({ "node": describe_node(index, &enr) }))
        })
    }

    /// Takes another port. The crate has no way to do so while it runs: the node begins anew, without its sessions, and keeps
    /// its key and its record.
    pub async fn move_to(&self, index: u64, change: &Value) -> Result<Value, String> {
        let removed = self.0.lock().expect("no panic before").nodes.remove(&index);
        let old = removed.ok_or_else(|| format!("there is no node {index}"))?;
        let (secret, mut args, record) = (old.secret.clone(), old.args.clone(), old.discv5.local_enr());
        drop(old);
        args["port"] = change["port"].clone();
        let node = open(secret, args, Some(record), change["silent"].as_bool().unwrap_or(false)).await?;
        let port = node.port;
        Ok(json!({ "node": self.add(Some(index), node).await?, "port": port }))
    }
}
