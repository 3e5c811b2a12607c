//! Redis: one script by hand over fields of a hash, by its digest.

use std::sync::Arc;

use async_trait::async_trait;
use portcullis_core::{UserKey, store::Version};
use portcullis_store_redis::{RedisConfig, RedisStore};
use portcullis_testkit::servers::Redis;
use redis::{Client, Script, aio::MultiplexedConnection};

use crate::contest::{Contender, HASH, Ring, fresh};

struct ByHand {
    connection: MultiplexedConnection,
    script: Script,
}

pub(crate) async fn ring() -> Ring {
    let server = Redis::start().await;
    let config = RedisConfig::parse(&server.url()).unwrap();
    let store = RedisStore::open(&config).await.unwrap();
    let client = Client::open(format!("{}?protocol=resp3", server.url())).unwrap();
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
        _guard: Box::new(server),
    }
}

const WRITE: &str = "
local user = redis.call('HMGET', KEYS[1], 'version', 'sequence', 'state', 'changed')
if user[1] and user[1] ~= ARGV[1] then return nil end
local time = redis.call('TIME')
local now = time[1] .. string.format('%06d', time[2])
local sequence = (tonumber(user[2]) or 1) + 1
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'sequence', sequence, 'changed', now,
  'hash', ARGV[3], 'state', 'active', 'must_change', 1, 'password_changed', now, 'failures', 0)
redis.call('RPUSH', KEYS[2], cjson.encode({ kind = 'user.human.password.changed',
  version = ARGV[2], state = 'active', failures = 0, must_change = true, hash = ARGV[5],
  operation = ARGV[4], date = now }))
redis.call('XADD', KEYS[3], '*', 'user', KEYS[1], 'sequence', sequence)
-- REMEMBER
return { sequence, now }
";

const REMEMBERED: &str = "redis.call('SET', KEYS[4], cjson.encode({ subject = KEYS[1],
  method = 'set_password', sequence = sequence, changed = now }), 'PX', 604800000)";

#[async_trait]
impl Contender for ByHand {
    async fn write(&self, user: &UserKey, version: Version) {
        let key = format!("hand:{{{}}}", user.user().as_str());
        let operation = fresh().to_string();
        let mut connection = self.connection.clone();
        let answer: (u64, String) = self
            .script
            .key(&key)
            .key(format!("{key}:events"))
            .key("hand:outbox")
            .key(format!("hand:operation:{operation}"))
            .arg(version.0)
            .arg(version.0 + 1)
            .arg(HASH)
            .arg(operation)
            .arg("4711471147114711471147114711471147114711471147114711471147114711")
            .invoke_async(&mut connection)
            .await
            .unwrap();
        assert!(answer.0 > 1);
    }

    async fn read(&self, user: &UserKey) {
        let key = format!("hand:{{{}}}", user.user().as_str());
        let mut connection = self.connection.clone();
        let _: Vec<String> = redis::cmd("HGETALL")
            .arg(key)
            .query_async(&mut connection)
            .await
            .unwrap();
    }
}
