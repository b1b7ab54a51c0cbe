//! A command that has ended, and what it said.

use std::process::Output;

use super::cluster::PASSWORD;

pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub errors: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            errors: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    /// Fails the test, with all that was said, unless the code and the words are there.
    pub fn expect(&self, code: i32, words: &[&str]) -> &Self {
        let said = format!("{}\n{}", self.out, self.errors);
        assert_eq!(self.code, Some(code), "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in:\n{said}");
        }
        assert!(
            !said.contains(PASSWORD) && !said.contains("canary"),
            "{said}"
        );
        self
    }
}
