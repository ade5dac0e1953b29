//! The Admin service of a process: faults in, live state of the algorithms out.

use super::balancer::Balancer;
use super::guard::Guards;
use crate::config::Secret;
use crate::fault::Faults;
use mall_api::control::admin_server::{Admin, AdminServer};
use mall_api::control::{BreakerState, DumpStateReply, DumpStateRequest, FaultSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tonic::{Request, Response, Status};

/// Implementation of `mall.control.v1.Admin`.
pub struct AdminService {
    instance: String,
    token: Secret,
    faults: Faults,
    guards: Guards,
    balancers: Arc<Mutex<Vec<Arc<Balancer>>>>,
}

/// The service to mount. Every call must carry `authorization: Bearer <token>`; with an empty token none is accepted.
pub fn admin_service(
    instance: &str,
    token: Secret,
    faults: Faults,
    guards: Guards,
    balancers: Arc<Mutex<Vec<Arc<Balancer>>>>,
) -> AdminServer<AdminService> {
    AdminServer::new(AdminService { instance: instance.to_owned(), token, faults, guards, balancers })
}

impl AdminService {
    fn authorize<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let given = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        match given.and_then(|value| value.strip_prefix("Bearer ")) {
            Some(token) if !self.token.is_empty() && self.token.matches(token) => Ok(()),
            _ => Err(Status::unauthenticated("wrong or missing token; it stands in the stack's stack.json")),
        }
    }
}

#[tonic::async_trait]
impl Admin for AdminService {
    async fn apply_faults(&self, request: Request<FaultSet>) -> Result<Response<FaultSet>, Status> {
        self.authorize(&request)?;
        self.faults
            .apply(request.get_ref(), SystemTime::now())
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok(Response::new(self.faults.in_force()))
    }

    async fn dump_state(&self, request: Request<DumpStateRequest>) -> Result<Response<DumpStateReply>, Status> {
        self.authorize(&request)?;
        let breakers = self.guards.all().into_iter().map(|guard| {
            let (now, totals) = (guard.snapshot(), guard.totals());
            BreakerState {
                place: guard.place().name().to_owned(),
                name: guard.name().to_string(),
                accepts: now.accepts,
                total: now.total,
                weight: now.weight,
                drop_ratio: now.ratio,
                trips: totals.trips,
                rejections: totals.rejected,
            }
        });
        let balancers = self.balancers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Response::new(DumpStateReply {
            instance: self.instance.clone(),
            breakers: breakers.collect(),
            balancers: balancers.iter().map(|balancer| balancer.state()).collect(),
            shedders: Vec::new(),
            limiters: Vec::new(),
        }))
    }
}
