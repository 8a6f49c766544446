//! Tests of the paper venue: every rule of its table, the account's identities, and the egress stage.

mod account;
mod harness;
mod makers;
mod margin;
mod orders;
mod random;
mod stage;
mod takers;
