//! The shop on MySQL, Redis, etcd and nginx: orders through all of them, and what stays right when one of them dies.

mod common;
#[path = "../mall/tests/servers/mod.rs"]
mod servers;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{Home, address, eventually, orders, processes, text};
use libtest_mimic::Trial;
use serde_json::Value;
use servers::Server::{Etcd, Mysql, Nginx, Redis};
use servers::{run, test};

fn main() {
    let every = [Mysql, Redis, Etcd, Nginx];
    run(vec![
        test("orders_pass_through_nginx_mysql_redis_and_etcd", &every, || async { orders_pass() }),
        test("a_purge_takes_what_the_stack_made_and_nothing_else", &[Mysql, Redis], || async { a_purge() }),
        killed("mariadb", &every),
        killed("redis", &every),
        killed("etcd", &every),
        killed("nginx", &every),
    ])
}

fn orders_pass() {
    let home = Home::new();
    let name = unique();
    let places = Places { mysql: Mysql.address(), redis: Redis.address(), etcd: Etcd.address() };
    let proxy = Folder::new(&home);
    let status = up_behind_nginx(&home, &proxy, &places, &name);
    assert_eq!(status.pointer("/places/store").and_then(Value::as_str).map(|store| store.ends_with(&name)), Some(true));
    // Three APIs, three replicas of three services, and the supervisor.
    assert_eq!(processes(&status).len(), 13, "{status}");

    let keys = keys(&places.etcd, &name);
    let of = |service: &str| keys.iter().filter(|key| key.starts_with(&format!("{name}/{service}/"))).count();
    assert_eq!([of("user-rpc"), of("order-rpc"), of("pay-rpc")], [3, 3, 3], "{keys:?}");

    let scenario = home.write("orders.toml", &orders(20, 4));
    let told = home.run(&["load", &scenario]);
    let run = home.json(&["report", "latest"]);
    assert_eq!(run.pointer("/requests/sent").and_then(Value::as_u64), Some(80), "{}", text(&told));
    assert_eq!(run.pointer("/requests/failed").and_then(Value::as_u64), Some(0), "{}", text(&told));
    assert_eq!(run.pointer("/join/joined"), run.pointer("/join/sampled"), "the trace passes nginx");
    assert_eq!(verdict(&home), "true");

    home.ok(&["down"]);
    assert_eq!(crate::keys(&places.etcd, &name), Vec::<String>::new(), "who leaves in order is not found any more");
    assert_eq!(verdict(&home), "true", "the servers keep the data while the stack is down");
    home.ok(&["down", "--purge"]);
}

fn a_purge() {
    let name = unique();
    let store = format!("{}/{name}", Mysql.address());
    let (redis, up) = (Redis.address(), ["up", "-d", "--isolated", "--store", &store, "--cache"]);
    let up: Vec<&str> = up.into_iter().chain([redis.as_str()]).collect();

    let maker = Home::new();
    maker.json(&up);
    let scenario = maker.write("orders.toml", &orders(10, 2));
    maker.run(&["load", &scenario]);
    maker.ok(&["down"]);
    assert_eq!(databases(&name).len(), 3);

    // Another stack that was pointed at the same databases made none of it.
    let guest = Home::new();
    guest.json(&up);
    guest.ok(&["down", "--purge"]);
    assert_eq!(databases(&name).len(), 3, "a guest removes nothing");

    let data = maker.path().join("mallctl/default/stack.json");
    let data: Value = serde_json::from_str(&std::fs::read_to_string(data).expect("reads")).expect("is JSON");
    let id = data.pointer("/data/id").and_then(Value::as_str).expect("an identity").to_owned();
    maker.ok(&["down", "--purge"]);
    assert_eq!(databases(&name), Vec::<String>::new());
    let pattern = format!("*{}*", id.chars().take(8).collect::<String>());
    let left = output(Command::new("redis-cli").args(["-u", &redis, "--scan", "--pattern", &pattern]));
    assert_eq!(left, "", "no key of this data stays");
}

/// A test on servers of its own: one is killed under load and comes back.
fn killed(server: &'static str, needs: &[servers::Server]) -> Trial {
    test(&format!("every_acknowledged_order_is_right_after_{server}_was_killed"), needs, move || async move {
        let home = Home::new();
        let folder = Folder::new(&home);
        let places = folder.start();
        let name = unique();
        up_behind_nginx(&home, &folder, &places, &name);
        let scenario = home.write("orders.toml", &orders(10, 12));
        let said = std::fs::File::create(home.path().join("load.txt")).expect("creates");
        let also = said.try_clone().expect("is shared");
        let mut load = home.command(&["load", &scenario]).stdout(said).stderr(also).spawn().expect("starts");
        let acknowledged = || {
            let histories = std::fs::read_dir(home.path().join("mallctl/default/history")).into_iter().flatten();
            let lines = histories.flatten().filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
            lines.map(|text| text.matches(r#""kind":"ok""#).count()).sum::<usize>()
        };
        eventually("orders are acknowledged", || {
            let ended = load.try_wait().expect("can be waited for");
            assert!(ended.is_none(), "{}", std::fs::read_to_string(home.path().join("load.txt")).unwrap_or_default());
            acknowledged() > 10
        });
        folder.servers("kill", &[server]);
        eventually("the outage is told", || is_away(&home.json(&["status"]), server));
        folder.servers("restart", &[server]);
        eventually("the return is told", || !is_away(&home.json(&["status"]), server));
        let then = acknowledged();
        load.wait().expect("ends");
        home.ok(&["wait", "--for", "ready"]);
        // The load may have ended before the shop had come back; orders must pass again without a restart of it.
        let again = home.write("again.toml", &orders(5, 2));
        eventually("orders pass again", || {
            home.run(&["load", &again]);
            acknowledged() > then
        });
        assert_eq!(verdict(&home), "true");
        home.ok(&["down"]);
    })
}

/// Whether a status names a server as one that does not answer. The proxy is not one of the servers behind the shop: the
/// whole stack is not ready without it.
fn is_away(status: &Value, server: &str) -> bool {
    let kind = if server == "mariadb" { "mysql" } else { server };
    let servers = status.pointer("/servers").and_then(Value::as_array).expect("servers");
    match servers.iter().find(|known| known["kind"] == kind) {
        Some(known) => known["answers"] == false && known["away_since_unix_ns"].as_u64() > Some(0),
        None => status["ready"] == false,
    }
}

/// Where the servers of a test are.
struct Places {
    mysql: String,
    redis: String,
    etcd: String,
}

/// A folder of `deploy/local/servers`; what runs in it ends with it.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new(home: &Home) -> Self {
        Self { path: home.path().join("servers") }
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/local/servers"));
        command.arg(verb).arg(&self.path);
        command
    }

    fn servers(&self, verb: &str, rest: &[&str]) -> String {
        output(self.command(verb).args(rest))
    }

    fn start(&self) -> Places {
        let told = self.servers("start", &[]);
        let value = |name: &str| {
            let line = told.lines().find_map(|line| line.strip_prefix(&format!("export {name}=")));
            line.unwrap_or_else(|| panic!("no {name} in {told}")).to_owned()
        };
        Places { mysql: value("MALL_TEST_MYSQL"), redis: value("MALL_TEST_REDIS"), etcd: value("MALL_TEST_ETCD") }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The test has its verdict; this only makes sure that nothing stays behind.
        let _ = self.command("stop").output();
    }
}

/// Starts nginx for three ports, then the shop on the servers behind it.
fn up_behind_nginx(home: &Home, folder: &Folder, places: &Places, name: &str) -> Value {
    let ports = folder.servers("ports", &["user-api", "order-api", "pay-api"]);
    let apis: Vec<String> = ports.split_whitespace().map(|port| format!("127.0.0.1:{port}")).collect();
    let apis: Vec<&str> = apis.iter().map(String::as_str).collect();
    let told = folder.servers("nginx", &apis);
    let edge = told.lines().find_map(|line| line.strip_prefix("export MALL_EDGE=")).expect("an address");
    let ports = ports.split_whitespace().collect::<Vec<_>>().join(",");
    let store = format!("{}/{name}", places.mysql);
    let registry = format!("etcd://{}/{name}", places.etcd);
    let up = ["up", "-d", "--isolated", "--apis", "3", "--api-ports", &ports, "--edge", edge, "--store", &store];
    let up: Vec<&str> = up.into_iter().chain(["--cache", &places.redis, "--registry", &registry]).collect();
    let status = home.json(&up);
    assert_eq!(status.get("ready").and_then(Value::as_bool), Some(true), "{status}");
    assert_eq!(address(&status, "gateway"), edge);
    status
}

fn verdict(home: &Home) -> String {
    let told = home.run(&["verify", "--quiesce", "60s", "--json"]);
    let report: Value = serde_json::from_slice(&told.stdout).unwrap_or_else(|_| panic!("{}", text(&told)));
    report.get("verdict").and_then(Value::as_str).expect("a verdict").to_owned()
}

/// A name that no other test has.
fn unique() -> String {
    use std::time::{SystemTime, UNIX_EPOCH};
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
    format!("t{now:x}")
}

fn keys(etcd: &str, prefix: &str) -> Vec<String> {
    let told = output(Command::new("etcdctl").args(["--endpoints", etcd, "get", "--prefix", prefix, "--keys-only"]));
    told.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn databases(prefix: &str) -> Vec<String> {
    let place = Mysql.address();
    let address = place.rsplit('@').next().expect("an address");
    let (host, port) = address.split_once(':').expect("a port");
    let ask = format!("SHOW DATABASES LIKE '{prefix}\\_%'");
    let login = ["--no-defaults", "-u", "root", "-h", host, "-P", port, "-N", "-e", &ask];
    output(Command::new("mariadb").args(login)).lines().map(str::to_owned).collect()
}

/// Standard output of a command that must succeed.
fn output(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8_lossy(&stdout).into_owned()
}
