//! The Admin service of a process: faults in, live state of the algorithms out.

use crate::context::ServiceContext;
use mall_api::control::admin_server::{Admin, AdminServer};
use mall_api::control::{BreakerState, DumpStateReply, DumpStateRequest, FaultSet};
use std::sync::PoisonError;
use std::time::SystemTime;
use tonic::{Request, Response, Status};

/// Implementation of `mall.control.v1.Admin`.
pub struct AdminService {
    context: ServiceContext,
}

/// The service to mount. Every call must carry `authorization: Bearer <token>` with `Mall.Control.Token`; with an empty
/// token none is accepted.
pub fn admin_service(context: &ServiceContext) -> AdminServer<AdminService> {
    AdminServer::new(AdminService { context: context.clone() })
}

impl AdminService {
    fn authorize<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let token = &self.context.config().mall.control.token;
        let given = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        match given.and_then(|value| value.strip_prefix("Bearer ")) {
            Some(given) if !token.is_empty() && token.matches(given) => Ok(()),
            _ => Err(Status::unauthenticated("wrong or missing token; it stands in the stack's stack.json")),
        }
    }
}

#[tonic::async_trait]
impl Admin for AdminService {
    async fn apply_faults(&self, request: Request<FaultSet>) -> Result<Response<FaultSet>, Status> {
        self.authorize(&request)?;
        let faults = self.context.faults();
        faults
            .apply(request.get_ref(), SystemTime::now())
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok(Response::new(faults.in_force()))
    }

    async fn dump_state(&self, request: Request<DumpStateRequest>) -> Result<Response<DumpStateReply>, Status> {
        self.authorize(&request)?;
        let breakers = self.context.guards().all().into_iter().map(|guard| {
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
        let balancers = self.context.balancers().lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Response::new(DumpStateReply {
            instance: self.context.config().instance().to_owned(),
            breakers: breakers.collect(),
            balancers: balancers.iter().map(|balancer| balancer.state()).collect(),
            shedders: self.context.shedders().states(),
            limiters: self.context.limiters(),
        }))
    }
}
