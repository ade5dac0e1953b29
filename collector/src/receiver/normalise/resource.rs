//! Who emits: resources, shared between the requests of one process.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use collector_api::vocabulary;
use opentelemetry_proto::tonic::resource::v1::Resource as WireResource;

use super::Normaliser;
use crate::model::{Attribute, Resource, Value, find};

/// Resources remembered at a time; then all are forgotten and learnt again.
const REMEMBERED: usize = 4_096;

/// Resources seen, by a hash of their attributes.
#[derive(Default)]
pub(super) struct Resources {
    seen: RwLock<HashMap<u64, Arc<Resource>>>,
}

fn fingerprint(attributes: &[Attribute]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for attribute in attributes {
        attribute.key.hash(&mut hasher);
        match &attribute.value {
            Value::Text(text) | Value::Json(text) => text.hash(&mut hasher),
            Value::Int(number) => number.hash(&mut hasher),
            Value::Float(number) => number.to_bits().hash(&mut hasher),
            Value::Bool(flag) => flag.hash(&mut hasher),
        }
    }
    hasher.finish()
}

impl Normaliser {
    /// The resource that a part of a request names.
    pub(super) fn resource(&self, wire: Option<WireResource>) -> Arc<Resource> {
        let (attributes, _) = self.attributes(wire.unwrap_or_default().attributes);
        let key = fingerprint(&attributes);
        let known = self.resources.seen.read().unwrap_or_else(PoisonError::into_inner).get(&key).map(Arc::clone);
        if let Some(known) = known.filter(|known| known.attributes == attributes) {
            return known;
        }
        let resource = Arc::new(self.identify(attributes));
        let mut seen = self.resources.seen.write().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(key, Arc::clone(&resource));
        resource
    }

    fn identify(&self, attributes: Vec<Attribute>) -> Resource {
        let text = |key: &str| {
            let value = find(&attributes, key).map(ToString::to_string)?;
            (!value.is_empty()).then_some(value)
        };
        let service = text("service.name").unwrap_or_else(|| "unknown_service".to_owned());
        let instance = text("service.instance.id").or_else(|| text("host.name")).unwrap_or_else(|| service.clone());
        Resource {
            service: self.name(&self.services, &service),
            instance: self.name(&self.instances, &instance),
            listen: text(vocabulary::MALL_LISTEN).map(|listen| self.word(&listen)),
            attributes,
        }
    }
}
