//! The test kit: real brokers, foreign clients, the worker as a process, and the oracle.

pub mod cluster;
pub mod ended;
pub mod foreign;
pub mod generate;
pub mod guard;
mod kafka_tools;
pub mod leaks;
pub mod oracle;
mod ports;
pub mod process;
pub mod random;
pub mod scenario;
pub mod schema;
pub mod site;
pub mod usage;
pub mod wait;
pub mod worker;
