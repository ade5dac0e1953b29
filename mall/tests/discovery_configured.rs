//! What a client's configuration decides: where its service is found, how long a call may take, who must be there first.

mod support;

use mall::config::{Etcd, Role, RpcClient, Secret, ServiceConfig};
use mall::context::ServiceContext;
use mall::deadline;
use mall::discovery::{self, Announcement, Endpoint};
use mall::serve::serve;
use mall::telemetry::Meters;
use mall_api::shop::user_client::UserClient;
use mall_api::shop::{GetUserRequest, UserInfo};
use std::time::Duration;
use support::control::{Fake, listen, wait};
use support::{Handler, Replica, handler};
use tonic::{Response, Status};

/// Calls a replica that is found as `client` says of its address; 0 is the answer of one that sees no deadline.
async fn deadline_seen(client: impl FnOnce(String) -> RpcClient) -> Duration {
    let replica = Replica::start_with(1, tells_its_deadline(), None).await;
    let mut config = ServiceConfig::new("gateway");
    config.user_rpc = Some(client(replica.endpoint.address.to_string()));
    let discovery = discovery::of(&config, &Meters::disabled()).expect("a valid configuration");
    let context = ServiceContext::new(config, Meters::disabled(), discovery);
    let client = context.client("user-rpc");
    tokio::time::timeout(Duration::from_secs(20), client.ready()).await.expect("the replica is found");
    let answer: Result<UserInfo, Status> =
        UserClient::new(client).get_user(GetUserRequest { id: 1 }).await.map(Response::into_inner);
    Duration::from_micros(answer.expect("answers").id as u64)
}

fn tells_its_deadline() -> Handler {
    handler(|_| async {
        let left = deadline::remaining().unwrap_or_default();
        Ok(UserInfo { id: left.as_micros() as i64, ..UserInfo::default() })
    })
}

#[tokio::test]
async fn a_call_takes_as_long_as_its_client_says() {
    let seconds = Duration::from_secs;
    let left = deadline_seen(|address| RpcClient { endpoints: vec![address], ..RpcClient::default() }).await;
    assert!(left > seconds(0) && left <= seconds(2), "{left:?}");
    let target =
        |address| RpcClient { target: format!("direct:///{address}"), timeout: 60_000, ..RpcClient::default() };
    let left = deadline_seen(target).await;
    assert!(left > seconds(2) && left <= seconds(60), "{left:?}");
    let endless = |address| RpcClient { endpoints: vec![address], timeout: 0, ..RpcClient::default() };
    assert_eq!(deadline_seen(endless).await, Duration::ZERO, "0 is no limit");
}

#[tokio::test]
async fn a_name_finds_what_it_resolves_to() {
    let named = |address: String| {
        let port = address.rsplit_once(':').expect("a port").1;
        RpcClient { target: format!("dns:///localhost:{port}"), ..RpcClient::default() }
    };
    assert!(deadline_seen(named).await > Duration::ZERO);
}

#[test]
fn a_place_of_the_process_itself_must_be_complete() {
    let mut config = ServiceConfig::new("user-rpc");
    config.etcd = Some(Etcd { hosts: vec!["127.0.0.1:2379".to_owned()], ..Etcd::default() });
    let refusal = discovery::of(&config, &Meters::disabled()).err().expect("no key").to_string();
    assert!(refusal.starts_with("Etcd has no Key; give"), "{refusal}");
}

#[tokio::test]
async fn who_must_be_there_first_is_named_when_it_is_not() {
    let mut config = ServiceConfig::new("user-api");
    config.auth.access_secret = Secret::new("a secret that signs the tokens of a test");
    let nobody = Replica::dead(1).await.address.to_string();
    config.user_rpc = Some(RpcClient { endpoints: vec![nobody], non_block: false, ..RpcClient::default() });
    let error = serve(Role::UserApi, config, std::future::pending()).await.expect_err("nobody is there").to_string();
    let wanted = "no replica of user-rpc is connected after 3s; start it first, or set UserRpc.NonBlock to true";
    assert_eq!(error, wanted);
}

#[tokio::test]
async fn without_a_word_of_a_client_the_supervisor_knows() {
    let fake = Fake::new(3_000);
    let (listener, control) = listen().await;
    fake.start(listener);
    let mut config = ServiceConfig::new("user-rpc");
    config.mall.control = control;
    let discovery = discovery::of(&config, &Meters::disabled()).expect("a valid configuration");
    let mut found = discovery.watch("user-rpc");
    let endpoint = Endpoint::new("user-rpc/1", "127.0.0.1:9");
    let announcement =
        Announcement { service: "user-rpc".to_owned(), endpoint: endpoint.clone(), admin: "127.0.0.1:9".to_owned() };
    let announced = discovery.announce(announcement).await;
    wait(&mut found, |list| *list == [endpoint.clone()]).await;
    announced.withdraw().await;
    wait(&mut found, Vec::is_empty).await;
}
