//! What `pay-rpc` answers.

use mall_api::shop::pay_server::Pay;
use mall_api::shop::{
    GetPaymentRequest, InitiatePaymentReply, InitiatePaymentRequest, PaymentInfo, PaymentStatus,
    ProviderCallbackRequest,
};
use opentelemetry::Context;
use tonic::{Request, Response, Status};

use super::repository::{NewPayment, PayError, PayRepository, PaymentRow, Report};
use super::{Callbacks, Provider, callback};
use crate::error::{AppError, AppResult, ErrorCode};
use crate::order::MAX_KEY;

/// The service over any repository.
#[derive(Debug)]
pub struct PayService<R> {
    payments: R,
    callbacks: Callbacks<R>,
    provider: Provider<R>,
}

impl<R: PayRepository> PayService<R> {
    /// Over a repository, a handler of reports and a provider.
    pub fn new(payments: R, callbacks: Callbacks<R>, provider: Provider<R>) -> Self {
        Self { payments, callbacks, provider }
    }

    async fn initiate(&self, request: InitiatePaymentRequest) -> AppResult<InitiatePaymentReply> {
        if request.amount < 0 {
            return Err(AppError::invalid(format!("amount is {}: must not be negative", request.amount)));
        }
        if request.idempotency_key.is_empty() || request.idempotency_key.len() > MAX_KEY {
            return Err(AppError::invalid("the idempotency key must have 1 to 128 bytes"));
        }
        let payment = NewPayment {
            order_id: request.order_id,
            user_id: request.user_id,
            amount: request.amount,
            idempotency_key: request.idempotency_key,
            traceparent: callback::traceparent(&Context::current()),
        };
        let initiated = self.payments.initiate(payment).await?;
        if !initiated.replayed {
            self.provider.accept(initiated.payment.clone());
        }
        Ok(InitiatePaymentReply { payment: Some(initiated.payment.into()), replayed: initiated.replayed })
    }

    async fn find(&self, request: GetPaymentRequest) -> AppResult<PaymentInfo> {
        let payment = match (request.id, request.order_id) {
            (0, 0) => return Err(AppError::invalid("id or order_id must be set")),
            (0, order_id) => self.payments.payment_of(order_id).await?,
            (id, _) => self.payments.payment(id).await?,
        };
        let visible = payment.filter(|payment| request.user_id == 0 || payment.user_id == request.user_id);
        let missing = || AppError::new(ErrorCode::PaymentNotFound, "there is no such payment of yours");
        visible.map(Into::into).ok_or_else(missing)
    }

    async fn report(&self, request: ProviderCallbackRequest) -> AppResult<PaymentInfo> {
        let ProviderCallbackRequest { payment_id, provider_ref, amount, success } = request;
        if provider_ref.is_empty() || provider_ref.len() > MAX_KEY {
            return Err(AppError::invalid("provider_ref must have 1 to 128 bytes"));
        }
        let traceparent = callback::traceparent(&Context::current());
        let report = Report { payment_id, provider_ref, amount, success, traceparent };
        Ok(self.callbacks.handle(report).await?.into())
    }
}

impl From<PayError> for AppError {
    fn from(error: PayError) -> Self {
        let code = match error {
            PayError::KeyReused => ErrorCode::KeyReused,
            PayError::NoPayment(_) => ErrorCode::PaymentNotFound,
            PayError::Amount { .. } => ErrorCode::AmountMismatch,
            PayError::Store(error) => return error.into(),
        };
        Self::new(code, error.to_string())
    }
}

impl From<PaymentRow> for PaymentInfo {
    fn from(row: PaymentRow) -> Self {
        let status = match row.status.as_str() {
            "PENDING" => PaymentStatus::Pending,
            "SUCCESS" => PaymentStatus::Success,
            "FAILED" => PaymentStatus::Failed,
            _ => PaymentStatus::Unspecified,
        };
        Self { id: row.id, order_id: row.order_id, user_id: row.user_id, amount: row.amount, status: status.into() }
    }
}

#[tonic::async_trait]
impl<R: PayRepository> Pay for PayService<R> {
    async fn initiate_payment(
        &self,
        request: Request<InitiatePaymentRequest>,
    ) -> Result<Response<InitiatePaymentReply>, Status> {
        Ok(Response::new(self.initiate(request.into_inner()).await?))
    }

    async fn get_payment(&self, request: Request<GetPaymentRequest>) -> Result<Response<PaymentInfo>, Status> {
        Ok(Response::new(self.find(request.into_inner()).await?))
    }

    async fn provider_callback(
        &self,
        request: Request<ProviderCallbackRequest>,
    ) -> Result<Response<PaymentInfo>, Status> {
        Ok(Response::new(self.report(request.into_inner()).await?))
    }
}
