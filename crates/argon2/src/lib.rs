#![doc = include_str!("../README.md")]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod arena;
mod blake;
mod error;
mod fill;
mod hash;
mod kernel;
mod lanes;
mod params;
mod pool;
mod speed;

pub use arena::Arena;
pub use error::{Error, KernelError, ParamsError};
pub use hash::Argon2;
pub use kernel::Kernel;
pub use params::{Params, Variant, Version};
pub use pool::{ArenaPool, PooledArena};
pub use speed::{Speed, Verdict};
