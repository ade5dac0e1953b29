//! Discovery in a real etcd: what stands there, who is found, and what losses change.

#[path = "etcd/store.rs"]
mod store;
#[path = "etcd/wire.rs"]
mod wire;

mod servers;

use mall::config::{Etcd, Role, RpcClient, Secret, ServiceConfig};
use mall::discovery::{self, Announced, Announcement, Discovery, Endpoint};
use mall::serve::serve;
use mall::telemetry::Meters;
use servers::Server;
use servers::port::free_port;
use servers::private::Private;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use wire::Wire;

/// Longest wait for anything that must happen; a lease may have to end in it.
const PATIENCE: Duration = Duration::from_secs(40);

fn main() {
    let needs = &[Server::Etcd];
    servers::run(vec![
        servers::test("a_replica_stands_under_its_lease_until_it_withdraws", needs, stands_until_it_withdraws),
        servers::test("an_id_takes_the_place_of_the_lease", needs, id_takes_the_place),
        servers::test("who_comes_and_goes_is_seen", needs, comes_and_goes),
        servers::test("a_crash_is_forgotten_when_its_lease_ends", needs, crash_is_forgotten),
        servers::test("a_deleted_key_is_put_again", needs, deleted_key_is_put_again),
        servers::test("a_revoked_lease_is_replaced", needs, revoked_lease_is_replaced),
        servers::test("of_forty_replicas_32_are_used", needs, of_forty_32),
        servers::test("a_neighbour_with_the_same_beginning_is_not_found", needs, neighbour_is_not_found),
        servers::test("a_compaction_while_away_is_caught_up_with", needs, compaction_while_away),
        servers::test("a_host_that_is_down_is_passed_over", needs, dead_host_is_passed_over),
        servers::test("a_killed_etcd_leaves_the_last_endpoints_and_comes_back", needs, killed_etcd),
        servers::test("an_etcd_that_lost_its_data_is_filled_again", needs, lost_data),
        servers::test("an_etcd_with_users_wants_a_password", needs, users),
        servers::test("a_shop_finds_itself_without_a_supervisor", needs, shop),
    ]);
}

fn place(address: &str, key: &str) -> Etcd {
    Etcd { hosts: vec![address.to_owned()], key: key.to_owned(), ..Etcd::default() }
}

/// A key of this test alone.
fn own_key() -> String {
    format!("mall-test/{}", uuid::Uuid::new_v4())
}

/// Discovery that announces a replica of pay-rpc at `place` and finds pay-rpc there.
fn at(place: &Etcd) -> Arc<dyn Discovery> {
    let mut config = ServiceConfig::new("pay-rpc");
    config.etcd = Some(place.clone());
    config.pay_rpc = Some(RpcClient { etcd: Some(place.clone()), ..RpcClient::default() });
    discovery::of(&config, &Meters::disabled()).expect("a valid configuration")
}

async fn announce(discovery: &Arc<dyn Discovery>, address: &str) -> Announced {
    let endpoint = Endpoint::new("pay-rpc/1", address);
    let announcement = Announcement { service: "pay-rpc".to_owned(), endpoint, admin: String::new() };
    in_time(discovery.announce(announcement)).await
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("in time")
}

async fn found(watch: &mut watch::Receiver<Vec<Endpoint>>, addresses: &[&str]) {
    let wanted: Vec<Endpoint> = addresses.iter().map(|address| Endpoint::at(address)).collect();
    in_time(watch.wait_for(|list| *list == wanted)).await.expect("the watch lives");
}

async fn stands_until_it_withdraws() {
    let (store, key) = (Store::shared().await, own_key());
    let announced = announce(&at(&place(&store.address, &key)), "127.0.0.1:7001").await;
    let pairs = store.under(&key).await;
    let [pair] = &pairs[..] else { panic!("one key, not {pairs:?}") };
    assert_ne!(pair.lease, 0);
    assert_eq!(String::from_utf8_lossy(&pair.key), format!("{key}/{}", pair.lease), "go-zero's layout");
    assert_eq!(String::from_utf8_lossy(&pair.value), "127.0.0.1:7001");
    assert_eq!(store.granted_seconds(pair.lease).await, 10);
    announced.withdraw().await;
    assert!(store.under(&key).await.is_empty(), "withdrawn at once");
}

async fn id_takes_the_place() {
    let (store, key) = (Store::shared().await, own_key());
    let announced = announce(&at(&Etcd { id: 42, ..place(&store.address, &key) }), "127.0.0.1:7001").await;
    let pairs = store.under(&key).await;
    assert_eq!(pairs.len(), 1);
    assert_eq!(String::from_utf8_lossy(&pairs[0].key), format!("{key}/42"));
    announced.withdraw().await;
}

async fn comes_and_goes() {
    let (store, key) = (Store::shared().await, own_key());
    let discovery = at(&place(&store.address, &key));
    let mut watch = discovery.watch("pay-rpc");
    let one = announce(&discovery, "127.0.0.1:7001").await;
    found(&mut watch, &["127.0.0.1:7001"]).await;
    let two = announce(&discovery, "127.0.0.1:7002").await;
    found(&mut watch, &["127.0.0.1:7001", "127.0.0.1:7002"]).await;
    let twin = announce(&discovery, "127.0.0.1:7002").await;
    two.withdraw().await;
    one.withdraw().await;
    found(&mut watch, &["127.0.0.1:7002"]).await;
    twin.withdraw().await;
    found(&mut watch, &[]).await;
}

/// A process that is killed renews nothing any more, which is what the end of its runtime does.
async fn crash_is_forgotten() {
    let (store, key) = (Store::shared().await, own_key());
    let place = place(&store.address, &key);
    let mut watch = at(&place).watch("pay-rpc");
    let crashing = std::thread::spawn({
        let place = place.clone();
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            drop(runtime.block_on(async { announce(&at(&place), "127.0.0.1:7001").await }));
        }
    });
    crashing.join().expect("registers");
    found(&mut watch, &["127.0.0.1:7001"]).await;
    found(&mut watch, &[]).await;
    assert!(store.under(&key).await.is_empty());
}

async fn deleted_key_is_put_again() {
    let (store, key) = (Store::shared().await, own_key());
    let announced = announce(&at(&place(&store.address, &key)), "127.0.0.1:7001").await;
    for _ in 0..2 {
        let before = store.under(&key).await;
        store.delete(&before[0].key).await;
        let after = in_time(store.until(&key, |pairs| !pairs.is_empty())).await;
        assert_eq!((&after[0].key, after[0].lease), (&before[0].key, before[0].lease), "the lease goes on");
        assert!(after[0].create_revision > before[0].create_revision);
    }
    announced.withdraw().await;
    assert!(store.under(&key).await.is_empty());
}

async fn revoked_lease_is_replaced() {
    let (store, key) = (Store::shared().await, own_key());
    let announced = announce(&at(&place(&store.address, &key)), "127.0.0.1:7001").await;
    let lease = store.under(&key).await[0].lease;
    store.revoke(lease).await;
    let after = in_time(store.until(&key, |pairs| pairs.iter().any(|pair| pair.lease != lease))).await;
    assert_eq!(String::from_utf8_lossy(&after[0].key), format!("{key}/{}", after[0].lease));
    announced.withdraw().await;
    assert!(store.under(&key).await.is_empty());
}

async fn of_forty_32() {
    let (store, key) = (Store::shared().await, own_key());
    for port in 7001..=7040 {
        store.put(&format!("{key}/{port}"), &format!("127.0.0.1:{port}")).await;
    }
    let mut watch = at(&place(&store.address, &key)).watch("pay-rpc");
    let chosen = in_time(watch.wait_for(|list| !list.is_empty())).await.expect("lives").clone();
    assert_eq!(chosen.len(), 32);
    store.delete(format!("{key}/{}", chosen[0].address.rsplit_once(':').expect("a port").1).as_bytes()).await;
    let after = in_time(watch.wait_for(|list| *list != chosen)).await.expect("lives").clone();
    assert_eq!(after.len(), 32, "another takes the place");
    assert_eq!(after.iter().filter(|one| chosen.contains(one)).count(), 31, "the others stay");
    store.clear(&key).await;
}

async fn neighbour_is_not_found() {
    let (store, key) = (Store::shared().await, own_key());
    store.put(&format!("{key}-admin/1"), "127.0.0.1:7009").await;
    store.put(&format!("{key}/1"), "127.0.0.1:7001").await;
    let mut watch = at(&place(&store.address, &key)).watch("pay-rpc");
    found(&mut watch, &["127.0.0.1:7001"]).await;
    store.clear(&key).await;
    store.clear(&format!("{key}-admin")).await;
}

async fn compaction_while_away() {
    let (etcd, key) = (Private::start("etcd"), own_key());
    let (store, wire) = (Store::at(&etcd.address).await, Wire::to(&etcd.address).await);
    store.put(&format!("{key}/1"), "127.0.0.1:7001").await;
    let mut watch = at(&place(&wire.address, &key)).watch("pay-rpc");
    found(&mut watch, &["127.0.0.1:7001"]).await;
    wire.cut();
    store.put(&format!("{key}/2"), "127.0.0.1:7002").await;
    store.delete(format!("{key}/1").as_bytes()).await;
    let revision = store.put(&format!("{key}/3"), "127.0.0.1:7003").await;
    store.compact(revision).await;
    assert_eq!(*watch.borrow(), [Endpoint::at("127.0.0.1:7001")], "nothing is known of it yet");
    wire.mend();
    found(&mut watch, &["127.0.0.1:7002", "127.0.0.1:7003"]).await;
    store.put(&format!("{key}/4"), "127.0.0.1:7004").await;
    found(&mut watch, &["127.0.0.1:7002", "127.0.0.1:7003", "127.0.0.1:7004"]).await;
}

async fn dead_host_is_passed_over() {
    let (store, key) = (Store::shared().await, own_key());
    let nobody = Wire::to(&store.address).await;
    nobody.cut();
    let hosts = vec![nobody.address.clone(), store.address.clone()];
    let discovery = at(&Etcd { hosts, ..place("", &key) });
    let mut watch = discovery.watch("pay-rpc");
    let announced = announce(&discovery, "127.0.0.1:7001").await;
    found(&mut watch, &["127.0.0.1:7001"]).await;
    announced.withdraw().await;
    found(&mut watch, &[]).await;
}

async fn killed_etcd() {
    let (etcd, key) = (Private::start("etcd"), own_key());
    let discovery = at(&place(&etcd.address, &key));
    let mut watch = discovery.watch("pay-rpc");
    let announced = announce(&discovery, "127.0.0.1:7001").await;
    found(&mut watch, &["127.0.0.1:7001"]).await;
    let lease = Store::at(&etcd.address).await.under(&key).await[0].lease;
    etcd.kill();
    let changed = tokio::time::timeout(Duration::from_secs(2), watch.changed()).await;
    assert!(changed.is_err(), "the loss changes nothing");
    etcd.restart();
    let store = Store::at(&etcd.address).await;
    let after = in_time(store.until(&key, |pairs| pairs.len() == 1 && pairs[0].lease != lease)).await;
    assert_eq!(String::from_utf8_lossy(&after[0].value), "127.0.0.1:7001");
    let second = announce(&discovery, "127.0.0.1:7002").await;
    found(&mut watch, &["127.0.0.1:7001", "127.0.0.1:7002"]).await;
    second.withdraw().await;
    announced.withdraw().await;
    found(&mut watch, &[]).await;
}

async fn lost_data() {
    let (etcd, key) = (Private::start("etcd"), own_key());
    let place = place(&etcd.address, &key);
    let gone = Store::at(&etcd.address).await;
    for port in 7003..=7030 {
        gone.put(&format!("{key}/{port}"), &format!("127.0.0.1:{port}")).await;
    }
    let (caller, callee) = (at(&place), at(&place));
    let mut watch = caller.watch("pay-rpc");
    let announced = announce(&callee, "127.0.0.1:7001").await;
    in_time(watch.wait_for(|list| list.len() == 29)).await.expect("lives");
    etcd.kill_and_forget();
    etcd.restart();
    let store = Store::at(&etcd.address).await;
    in_time(store.until(&key, |pairs| pairs.len() == 1)).await;
    assert_eq!(watch.borrow().len(), 29, "who has not come back yet may still do so");
    found(&mut watch, &["127.0.0.1:7001"]).await;
    announced.withdraw().await;
}

async fn users() {
    let (etcd, key) = (Private::start("etcd"), own_key());
    let call = async |path: &str, body: serde_json::Value| {
        let url = format!("http://{}/v3/auth/{path}", etcd.address);
        let answer = reqwest::Client::new().post(url).body(body.to_string()).send().await.expect("answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap_or_default());
    };
    call("user/add", serde_json::json!({ "name": "root", "password": "s3cret" })).await;
    call("role/add", serde_json::json!({ "name": "root" })).await;
    call("user/grant", serde_json::json!({ "user": "root", "role": "root" })).await;
    call("enable", serde_json::json!({})).await;

    let stranger = at(&place(&etcd.address, &key));
    let refused =
        Announcement { service: "pay-rpc".to_owned(), endpoint: Endpoint::at("127.0.0.1:7009"), admin: String::new() };
    let refused = stranger.announce(refused);
    assert!(tokio::time::timeout(Duration::from_secs(2), refused).await.is_err(), "nobody gets in without a password");

    let known = at(&Etcd { user: "root".into(), pass: Secret::new("s3cret"), ..place(&etcd.address, &key) });
    let mut watch = known.watch("pay-rpc");
    let announced = announce(&known, "127.0.0.1:7001").await;
    found(&mut watch, &["127.0.0.1:7001"]).await;
    announced.withdraw().await;
    found(&mut watch, &[]).await;
}

/// Roles of a shop that know each other through etcd alone.
async fn shop() {
    let work = Box::pin(async {
        let (store, prefix) = (Store::shared().await, own_key());
        let folder = tempfile::tempdir().expect("a folder");
        let own = |role: Role| place(&store.address, &format!("{prefix}/{role}"));
        let client = |role: Role| Some(RpcClient { etcd: Some(own(role)), ..RpcClient::default() });
        let config = |role: Role| {
            let mut config = ServiceConfig::new(role.name());
            config.auth.access_secret = Secret::new("signs tokens");
            config.etcd = Role::RPC.contains(&role).then(|| own(role));
            config.user_rpc = client(Role::UserRpc);
            config.order_rpc = client(Role::OrderRpc);
            config.pay_rpc = client(Role::PayRpc);
            let file = if role == Role::Migrate { String::new() } else { role.name().replace("-rpc", ".db") };
            config.data_source = format!("sqlite://{}", folder.path().join(file).display()).into();
            config
        };
        serve(Role::Migrate, config(Role::Migrate), async {}).await.expect("migrates");
        let stop = CancellationToken::new();
        let start = |role: Role, config: ServiceConfig| {
            tokio::task::spawn_local(serve(role, config, stop.clone().cancelled_owned()))
        };
        let services: Vec<_> = Role::RPC.into_iter().map(|role| start(role, config(role))).collect();
        for role in Role::RPC {
            in_time(store.until(&format!("{prefix}/{role}"), |pairs| pairs.len() == 1)).await;
        }
        let mut front = config(Role::Gateway);
        front.port = free_port();
        let url = format!("http://127.0.0.1:{}/api/product/list", front.port);
        let gateway = start(Role::Gateway, front);
        let answered = async {
            while !reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success()) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        in_time(answered).await;
        stop.cancel();
        for process in services.into_iter().chain([gateway]) {
            in_time(process).await.expect("does not panic").expect("ends well");
        }
        assert!(store.under(&prefix).await.is_empty(), "everybody withdrew");
    });
    tokio::task::LocalSet::new().run_until(work).await;
}
