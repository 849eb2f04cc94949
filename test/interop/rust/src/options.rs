//! What orders carry.

use discv5::Enr;
use enr::NodeId;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

pub fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return Err(format!("not hexadecimal: {text:?}"));
    }
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).map_err(|e| e.to_string()))
        .collect()
}

pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_local(enr: &Enr) -> bool {
    enr.ip4().is_none_or(|ip| ip.is_loopback()) && enr.ip6().is_none_or(|ip| ip.is_loopback())
}

/// What a table takes in.
pub fn is_loopback(enr: &Enr) -> bool {
    is_local(enr) && (enr.ip4().is_some() || enr.ip6().is_some())
}

/// A record; one that leads out of loopback is refused.
pub fn parse_record(text: &str) -> Result<Enr, String> {
    let enr: Enr = text.parse()?;
    if !is_local(&enr) {
        return Err(format!("not on loopback: {text}"));
    }
    Ok(enr)
}

pub fn record(args: &Value) -> Result<Enr, String> {
    parse_record(args["record"].as_str().unwrap_or_default())
}

pub fn distances(args: &Value) -> Result<Vec<u64>, String> {
    let list = args["distances"].as_array().ok_or("there are no distances")?;
    list.iter()
        .map(|distance| distance.as_u64().ok_or_else(|| format!("not a distance: {distance}")))
        .collect()
}

pub fn target(args: &Value) -> Result<NodeId, String> {
    let id = from_hex(args["target"].as_str().unwrap_or_default())?;
    NodeId::parse(&id).map_err(str::to_string)
}

pub fn strings(list: &Value) -> Vec<String> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item.as_str().map(str::to_string))
        .collect()
}

pub fn port(args: &Value) -> Result<u16, String> {
    u16::try_from(args["port"].as_u64().unwrap_or(0)).map_err(|e| e.to_string())
}

pub fn milliseconds(value: &Value) -> Option<Duration> {
    value.as_u64().map(Duration::from_millis)
}

/// The address on which a node listens.
pub fn ip(args: &Value) -> Result<IpAddr, String> {
    let ip = match args["ip"].as_str() {
        None => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(text) => text.parse().map_err(|_| format!("not an address: {text}"))?,
    };
    if ip.is_loopback() {
        Ok(ip)
    } else {
        Err(format!("not a loopback address: {ip}"))
    }
}
