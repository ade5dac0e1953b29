//! What a command may be aimed at: a service that runs, or one of its replicas.

use mall_api::control::Process;

use super::near;
use crate::model::data::Data;

/// The replica number that means one of them, whichever.
const ANY: &str = "any";

/// Whether something that runs is called so; an error says what does. Without the supervisor's word everything passes: it
/// judges for itself.
pub fn check(target: &str, data: &Data) -> Result<(), String> {
    let (service, replica) =
        target.split_once('/').map_or((target, None), |(service, replica)| (service, Some(replica)));
    let services = services(data);
    if services.is_empty() {
        return Ok(());
    }
    if !services.contains(&service) {
        return Err(match near::nearest(service, services.iter().copied()) {
            Some(near) => format!("there is no {target}: did you mean `{near}`?"),
            None => format!("there is no {target}: {}", services.join(", ")),
        });
    }
    let replicas: Vec<u32> = data.shop().filter(|process| process.role == service).map(number).collect();
    let runs = |written: &str| written == ANY || written.parse().is_ok_and(|number| replicas.contains(&number));
    if replica.is_none_or(runs) {
        return Ok(());
    }
    let names: Vec<String> = replicas.iter().map(|number| format!("{service}/{number}")).collect();
    Err(format!("there is no {target}: {}", names.join(", ")))
}

/// Names of services, each once, in the supervisor's order.
fn services(data: &Data) -> Vec<&str> {
    let mut services: Vec<&str> = data.shop().map(|process| process.role.as_str()).collect();
    services.dedup();
    services
}

/// A process that has one instance is its first.
fn number(process: &Process) -> u32 {
    process.replica.max(1)
}
