//! Who may do what: access control lists, set through Kafka's own program.

use super::Cluster;
use super::broker::JVM_LIMIT;
use crate::support::kafka_tools;
use crate::support::process::Process;

/// Something that an access control list is about.
#[derive(Clone, Copy)]
pub enum Resource<'a> {
    Topic(&'a str),
    Group(&'a str),
}

impl Cluster {
    /// Broker properties under which nobody may do anything that [`Cluster::allow`] does not say,
    /// except through the plaintext listener, which is the tests' own.
    pub fn authorizer() -> Vec<(String, String)> {
        [
            (
                "authorizer.class.name",
                "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            ),
            ("super.users", "User:ANONYMOUS"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// Allows these operations on these resources to each of `users`.
    pub fn allow(&self, users: &[&str], operations: &[&str], resources: &[Resource<'_>]) {
        let mut command = kafka_tools::java("128m");
        command.arg("org.apache.kafka.tools.AclCommand").args([
            "--bootstrap-server",
            self.bootstrap(),
            "--add",
        ]);
        for user in users {
            command.args(["--allow-principal", &format!("User:{user}")]);
        }
        for operation in operations {
            command.args(["--operation", operation]);
        }
        for resource in resources {
            match resource {
                Resource::Topic(name) => command.args(["--topic", name]),
                Resource::Group(name) => command.args(["--group", name]),
            };
        }
        let folder = self.folder.as_deref().expect("a cluster of ours");
        let mut process = Process::start("acls", folder, command);
        let status = process.wait(JVM_LIMIT);
        assert!(status.success(), "no access list\n{}", process.tail());
    }
}
