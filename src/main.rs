//! Parses the arguments, runs, and maps an error to an exit code.

fn main() {}
