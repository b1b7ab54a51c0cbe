//! Who runs this program.

use serde::{Deserialize, Serialize};

/// The operating system's user. The name is for people; the uid is what counts, since the
/// environment can say anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// Real user id of the process.
    pub uid: u32,
    /// Its name in `/etc/passwd`; null where it has none there.
    pub user: Option<String>,
    /// Who became that user through `sudo`, as `sudo` says.
    pub sudo_uid: Option<u32>,
    /// The machine.
    pub host: String,
}

impl Actor {
    /// Whoever runs this process.
    #[must_use]
    pub fn of_process() -> Self {
        let uid = rustix::process::getuid().as_raw();
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let sudo_uid = std::env::var("SUDO_UID").ok();
        let host = rustix::system::uname();
        Self {
            uid,
            user: name_of(uid, &passwd),
            sudo_uid: sudo_uid.and_then(|uid| uid.parse().ok()),
            host: host.nodename().to_string_lossy().into_owned(),
        }
    }
}

fn name_of(uid: u32, passwd: &str) -> Option<String> {
    let uid = uid.to_string();
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_uid() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(name_of(1000, passwd).as_deref(), Some("ann"));
        assert_eq!(name_of(100, passwd), None);
    }
}
