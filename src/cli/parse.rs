//! Values of flags, with errors that say what to write.

use super::stack::Awaited;
use crate::duration;

pub fn replicas(text: &str) -> Result<(String, u32), String> {
    let refuse = || format!("'{text}' is no replica count; write order=3");
    let (service, count) = text.split_once('=').ok_or_else(refuse)?;
    let count: u32 = count.parse().map_err(|_| refuse())?;
    let service = match service {
        "user" | "order" | "pay" => format!("{service}-rpc"),
        "user-rpc" | "order-rpc" | "pay-rpc" => service.to_owned(),
        _ => return Err(format!("'{service}' has no replicas to choose; user, order and pay have")),
    };
    if !(1..=16).contains(&count) {
        return Err(format!("'{text}': a service has 1 to 16 replicas"));
    }
    Ok((service, count))
}

pub fn awaited(text: &str) -> Result<Awaited, String> {
    match text {
        "ready" => Ok(Awaited::Ready),
        "down" => Ok(Awaited::Down),
        _ => match text.strip_prefix("alert:") {
            Some(name) if !name.is_empty() => Ok(Awaited::Alert(name.to_owned())),
            _ => Err(format!("'{text}' cannot be waited for; ready, down and alert:NAME can")),
        },
    }
}

pub fn settle(text: &str) -> Result<loadgen::Settle, String> {
    if text == "auto" { Ok(loadgen::Settle::Auto) } else { duration::parse(text).map(loadgen::Settle::For) }
}

pub fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("'{text}' is no share; write a number from 0 to 1")),
    }
}

pub fn size(text: &str) -> Result<(u16, u16), String> {
    let refuse = || format!("'{text}' is no size; write 120x40, at most 500x200");
    let (width, height) = text.split_once('x').ok_or_else(refuse)?;
    let (width, height) = (width.parse().map_err(|_| refuse())?, height.parse().map_err(|_| refuse())?);
    if (1..=500).contains(&width) && (1..=200).contains(&height) { Ok((width, height)) } else { Err(refuse()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replica_counts_take_short_and_long_names() {
        assert_eq!(replicas("order=5"), Ok(("order-rpc".into(), 5)));
        assert_eq!(replicas("pay-rpc=1"), Ok(("pay-rpc".into(), 1)));
        for text in ["order", "order=0", "order=17", "gateway=2", "order=x"] {
            assert!(replicas(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_and_awaited_things_are_checked() {
        assert_eq!(size("80x24"), Ok((80, 24)));
        assert!(size("0x24").is_err() && size("80").is_err() && size("9000x9000").is_err());
        assert_eq!(awaited("alert:HighLatency"), Ok(Awaited::Alert("HighLatency".into())));
        assert!(awaited("alert:").is_err() && awaited("up").is_err());
    }
}
