//! Several processes that compute together, on one machine or on many.
//!
//! [`Processes`] is what the work needs of them; [`Alone`] is a single process. With the feature
//! `distributed`, [`Launch`] reads which process this is from the variables of the program that started
//! it, such as torchrun, and [`Group`] connects the processes through libtorch's own engine, c10d: they
//! meet at a `TCPStore` and exchange tensors by Gloo, over TCP; tensors of GPUs are summed by NCCL where it
//! can be used. Both know no passwords and no encryption, so that they are for trusted networks only.
//!
//! All processes call the same functions in the same order. After an error a group is of no use any more.
//!
//! To be read in this order: `processes`, `rows`, `launch`, `address`, `within`, `group`, `c10d.cpp`, the interface
//! to libtorch, and `nccl`.

#[cfg(feature = "distributed")]
mod address;
#[cfg(feature = "distributed")]
pub(crate) mod group;
pub mod launch;
#[cfg(feature = "distributed")]
mod nccl;
pub mod processes;
pub(crate) mod rows;
#[cfg(feature = "distributed")]
mod within;

#[cfg(feature = "distributed")]
pub use address::{free_port, named_interfaces};
#[cfg(feature = "distributed")]
pub use group::{Group, Timeouts};
pub use launch::Launch;
#[cfg(feature = "distributed")]
pub use nccl::version as nccl_version;
pub use processes::{Alone, Processes, agree, tree_sum};
