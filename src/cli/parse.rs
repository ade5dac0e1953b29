//! Values of flags, with errors that say what to write.

use super::stack::Awaited;
use crate::duration;
use crate::topology::Apis;

/// Ports of user-api, order-api and pay-api.
pub type ApiPorts = [u16; 3];

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

pub fn apis(text: &str) -> Result<Apis, String> {
    match text {
        "1" => Ok(Apis::One),
        "3" => Ok(Apis::Three),
        _ => Err(format!("'{text}': 1 is one gateway, 3 are user-api, order-api and pay-api behind a proxy")),
    }
}

pub fn api_ports(text: &str) -> Result<ApiPorts, String> {
    let refuse =
        || format!("'{text}' is not three ports; write those of user-api, order-api and pay-api: 8801,8802,8803");
    let ports: Vec<u16> = text.split(',').map(str::parse).collect::<Result<_, _>>().map_err(|_| refuse())?;
    let ports = ApiPorts::try_from(ports).map_err(|_| refuse())?;
    let [user, order, pay] = ports;
    let twice = |a: u16, b: u16| a != 0 && a == b;
    if twice(user, order) || twice(user, pay) || twice(order, pay) {
        return Err(format!("'{text}' names a port twice"));
    }
    Ok(ports)
}

pub fn host_port(text: &str) -> Result<String, String> {
    let is_address = text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok_and(|p| p > 0)
    });
    if is_address {
        Ok(text.to_owned())
    } else {
        Err(format!("'{text}' is no address; write HOST:PORT without a scheme"))
    }
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

pub fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err(format!("'{text}' is no rate; write flow starts per second, above 0, such as 50 or 0.5")),
    }
}

pub fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("'{text}' is no share; write a number from 0 to 1")),
    }
}

/// A share as a number or in percent: `0.01` is `1%`.
pub fn ratio(text: &str) -> Result<f64, String> {
    let number = match text.strip_suffix('%') {
        Some(percent) => percent.trim_end().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse(),
    };
    match number {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err(format!("'{text}' is no ratio; write 0.01 or 1%")),
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
    fn three_apis_have_three_ports_and_a_proxy_an_address() {
        assert_eq!(apis("3"), Ok(Apis::Three));
        assert!(apis("2").is_err());
        assert_eq!(api_ports("8801,0,0"), Ok([8801, 0, 0]));
        for text in ["8801", "1,2,3,4", "1,1,2", "a,b,c", "70000,1,2"] {
            assert!(api_ports(text).is_err(), "{text}");
        }
        assert_eq!(host_port("shop.example:80"), Ok("shop.example:80".to_owned()));
        assert!(host_port("http://shop:80").is_err() && host_port("shop").is_err() && host_port(":80").is_err());
    }

    #[test]
    fn a_rate_is_a_number_above_nothing() {
        assert_eq!((rate("50"), rate("0.5")), (Ok(50.0), Ok(0.5)));
        for text in ["abc", "", "0", "-1", "NaN", "inf"] {
            assert!(rate(text).is_err_and(|says| says.contains("flow starts per second")), "{text}");
        }
    }

    #[test]
    fn ratios_are_numbers_or_percent() {
        assert_eq!((ratio("0.01"), ratio("1%"), ratio("100 %"), ratio("0")), (Ok(0.01), Ok(0.01), Ok(1.0), Ok(0.0)));
        for text in ["", "%", "1.5", "101%", "-0.1", "NaN", "much"] {
            assert!(ratio(text).is_err(), "{text}");
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
