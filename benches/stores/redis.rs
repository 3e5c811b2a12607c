//! Redis: one script by hand over fields of a hash, by its digest.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use portcullis_core::{UserKey, UserStore, store::Version};
use portcullis_store_redis::{RedisConfig, RedisStore};
use portcullis_testkit::servers::{Redis, Settings};
use redis::{Client, IntoConnectionInfo, Script, aio::MultiplexedConnection, io::tcp::TcpSettings};

use crate::{
    contest::{Contender, HASH, Ring, fresh},
    sizes::Gauge,
};

struct ByHand {
    connection: MultiplexedConnection,
    script: Script,
}

pub(crate) async fn ring() -> Ring {
    let server = Redis::start().await;
    let config = RedisConfig::parse(&server.url()).unwrap();
    let store = RedisStore::open(&config).await.unwrap();
    let tcp = TcpSettings::default().set_nodelay(true);
    let info = format!("{}?protocol=resp3", server.url()).into_connection_info();
    let client = Client::open(info.unwrap().set_tcp_settings(tcp)).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let by_hand = |remembered: &str| -> Arc<dyn Contender> {
        Arc::new(ByHand {
            connection: connection.clone(),
            script: Script::new(&WRITE.replace("-- REMEMBER", remembered)),
        })
    };
    Ring {
        store: Arc::new(store),
        by_hand: [by_hand(""), by_hand(REMEMBERED)],
        _server: Box::new(server),
    }
}

const ADOPT: &str = "
redis.call('HSET', KEYS[1], 'version', 1, 'sequence', 1, 'epoch', 1, 'changed', 0,
  'username', 'alice@example.com', 'kind', 'human', 'created', 0)
redis.call('SET', KEYS[2], ARGV[1])
return 1
";

const WRITE: &str = "
local user = redis.call('HMGET', KEYS[1], 'version', 'sequence', 'changed', 'epoch')
if user[1] ~= ARGV[1] then return nil end
local time = redis.call('TIME')
local now = time[1] .. string.format('%06d', time[2])
if now < user[3] then now = user[3] end
local sequence = user[2] + 1
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'sequence', sequence, 'epoch', user[4] + 1,
  'changed', now, 'hash', ARGV[3], 'digest', ARGV[5], 'state', 'active', 'must', 1,
  'since', now, 'failures', 0)
redis.call('RPUSH', KEYS[2], cjson.encode({ kind = 'user.human.password.changed',
  version = ARGV[2], state = 'active', failures = 0, must = true, hash = ARGV[5],
  operation = ARGV[4], date = now }))
redis.call('XADD', KEYS[3], '*', 'user', KEYS[1], 'sequence', sequence)
-- REMEMBER
return { sequence, now }
";

const REMEMBERED: &str = "redis.call('SET', KEYS[4], cjson.encode({ subject = KEYS[1],
  method = 'set_password', sequence = sequence, changed = now }), 'PX', 604800000)";

/// As long as what the store keeps of a user.
const RECORD: [u8; 512] = [b'x'; 512];

#[async_trait]
impl Contender for ByHand {
    async fn adopt(&self, user: &UserKey) {
        let [key, record] = [key(user), record(user)];
        let mut connection = self.connection.clone();
        let adopt = Script::new(ADOPT);
        let mut adopt = adopt.key(key);
        let adopt = adopt.key(record).arg(&RECORD[..]);
        adopt.invoke_async::<u8>(&mut connection).await.unwrap();
    }

    async fn write(&self, user: &UserKey, version: Version) {
        let (key, operation) = (key(user), fresh().to_string());
        let mut connection = self.connection.clone();
        let answer: (u64, String) = self
            .script
            .key(&key)
            .key(format!("{key}:events"))
            .key("hand:outbox")
            .key(format!("hand:operation:{operation}"))
            .arg(version.0)
            .arg(version.next().0)
            .arg(HASH)
            .arg(operation)
            .arg("4711471147114711471147114711471147114711471147114711471147114711")
            .invoke_async(&mut connection)
            .await
            .unwrap();
        assert!(answer.0 > 1);
    }

    async fn read(&self, user: &UserKey) {
        let mut connection = self.connection.clone();
        let mut get = redis::cmd("GET");
        let get = get.arg(record(user));
        let found: Vec<u8> = get.query_async(&mut connection).await.unwrap();
        assert_eq!(found.len(), RECORD.len());
    }
}

fn key(user: &UserKey) -> String {
    format!("hand:{{{}}}", user.user().as_str())
}

fn record(user: &UserKey) -> String {
    format!("hand:record:{{{}}}", user.user().as_str())
}

struct Filled {
    store: RedisStore,
    server: Redis,
}

pub(crate) async fn gauge() -> Box<dyn Gauge> {
    // The whole log is to be seen.
    let settings = Settings::new().with("auto-aof-rewrite-percentage", "0");
    let server = Redis::start_with(settings).await;
    let config = RedisConfig::parse(&server.url()).unwrap();
    let store = RedisStore::open(&config).await.unwrap();
    Box::new(Filled { store, server })
}

#[async_trait]
impl Gauge for Filled {
    fn store(&self) -> Arc<dyn UserStore> {
        Arc::new(self.store.clone())
    }

    async fn sizes(&self) -> BTreeMap<String, i64> {
        let info = self.server.cli(&["info", "everything"]).await;
        let samples = self.server.cli(&["eval", SAMPLE, "0"]).await;
        let of = |name: &str| {
            let mut lines = info.lines().filter_map(|line| line.split_once(':'));
            let found = lines.rfind(|(key, _)| *key == name);
            found.map(|(_, value)| value.trim().parse().unwrap())
        };
        let mut sizes: BTreeMap<_, _> = samples
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(kind, size)| (format!("one key {kind}"), size.parse().unwrap()))
            .collect();
        sizes.extend(of("used_memory").map(|size| ("memory".to_owned(), size)));
        sizes.extend(of("used_memory_rss").map(|size| ("memory, resident".to_owned(), size)));
        sizes.extend(of("aof_current_size").map(|size| ("append-only file".to_owned(), size)));
        sizes
    }

    fn server(&self) -> Option<u32> {
        Some(self.server.pid())
    }
}

/// What one key of each kind takes, on average of some.
const SAMPLE: &str = "
local sums, counts = {}, {}
for _ = 1, 3000 do
  local key = redis.call('RANDOMKEY')
  local kind = key and (key:match('}([ueso]):') or key:match('{([o]):') or 'out')
  if kind then
    sums[kind] = (sums[kind] or 0) + redis.call('MEMORY', 'USAGE', key, 'SAMPLES', 0)
    counts[kind] = (counts[kind] or 0) + 1
  end
end
local answer = {}
for kind, sum in pairs(sums) do
  answer[#answer + 1] = kind .. ' ' .. string.format('%.0f', sum / counts[kind])
end
return answer";
