//! Messages that kill: after some deaths at the same watermark, the suspects are judged in a child
//! process first, one by one, and the one that kills it is dead-lettered.
//!
//! The child is this same program (`dmwatch judge-isolated`) with the same settings. It reads
//! frames from its standard input and answers one byte a message. It writes nothing else, so no
//! text can leave through it.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};

use super::assignment::InputKind;

/// How the child is started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// This program.
    pub program: PathBuf,
    /// The arguments that lead to the same settings.
    pub arguments: Vec<OsString>,
    /// A message that takes longer is a killer too.
    pub timeout: Duration,
}

/// What became of a suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// The child judged it and lives.
    Cleared,
    /// The child died of it, or did not come back.
    Confirmed,
}

/// The byte that says "judged".
const JUDGED: u8 = b'.';

/// The parent's side: a child that is started when first needed and again after each death.
pub struct Isolation {
    launch: Launch,
    running: Option<Running>,
}

struct Running {
    child: Child,
    input: ChildStdin,
    answers: Receiver<u8>,
}

impl Isolation {
    /// No child runs yet.
    #[must_use]
    pub fn new(launch: Launch) -> Self {
        Self {
            launch,
            running: None,
        }
    }

    /// Lets the child judge one message.
    ///
    /// # Errors
    /// When no child can be started or it dies before it is asked: nothing is known of the
    /// message then, and it must not be dead-lettered for it.
    pub fn examine(&mut self, kind: InputKind, value: &[u8]) -> io::Result<Suspicion> {
        if self.running.is_none() {
            self.running = Some(self.start()?);
        }
        let Some(running) = self.running.as_mut() else {
            return Err(io::Error::other("no child"));
        };
        let sent = write_frame(&mut running.input, kind, value);
        let answer = running.answers.recv_timeout(self.launch.timeout);
        if sent.is_ok() && answer == Ok(JUDGED) {
            return Ok(Suspicion::Cleared);
        }
        if let Some(mut running) = self.running.take() {
            // It may be dead already; a zombie must not stay either way.
            running.child.kill().ok();
            running.child.wait()?;
        }
        Ok(Suspicion::Confirmed)
    }

    /// Starts the child and waits until it says that it is ready.
    fn start(&self) -> io::Result<Running> {
        let mut child = Command::new(&self.launch.program)
            .args(&self.launch.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Its words on a crash are not ours to pass on: they could quote the message.
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the child has no pipes"));
        };
        let (sender, answers) = bounded(1);
        std::thread::Builder::new()
            .name("isolation".into())
            .spawn(move || {
                let mut byte = [0];
                while output.read_exact(&mut byte).is_ok() && sender.send(byte[0]).is_ok() {}
            })?;
        if answers.recv_timeout(self.launch.timeout) != Ok(JUDGED) {
            child.kill().ok();
            let status = child.wait()?;
            let message = format!("the child for suspect messages does not start: {status}");
            return Err(io::Error::other(message));
        }
        Ok(Running {
            child,
            input,
            answers,
        })
    }
}

impl Drop for Isolation {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.child.kill().ok();
            running.child.wait().ok();
        }
    }
}

fn write_frame(out: &mut impl Write, kind: InputKind, value: &[u8]) -> io::Result<()> {
    let kind = match kind {
        InputKind::Messages => b'm',
        InputKind::Reports => b'r',
    };
    let len = u32::try_from(value.len()).map_err(io::Error::other)?;
    out.write_all(&[kind])?;
    out.write_all(&len.to_le_bytes())?;
    out.write_all(value)?;
    out.flush()
}

/// The child's side: judges each message that comes in and answers, until its input ends.
///
/// # Errors
/// A broken pipe, or a frame that is not one.
pub fn serve(
    mut input: impl Read,
    mut output: impl Write,
    mut judge: impl FnMut(InputKind, &[u8]),
) -> io::Result<()> {
    let mut answer = move || output.write_all(&[JUDGED]).and_then(|()| output.flush());
    answer()?;
    let mut value = Vec::new();
    loop {
        let mut head = [0; 5];
        match input.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let kind = match head[0] {
            b'm' => InputKind::Messages,
            b'r' => InputKind::Reports,
            _ => return Err(io::Error::other("not a frame")),
        };
        let len = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        value.clear();
        let read = input
            .by_ref()
            .take(u64::from(len))
            .read_to_end(&mut value)?;
        if read != len as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        judge(kind, &value);
        answer()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Isolation {
        Isolation::new(Launch {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            timeout: Duration::from_millis(500),
        })
    }

    #[test]
    fn the_child_judges_frame_by_frame() {
        let mut frames = Vec::new();
        write_frame(&mut frames, InputKind::Messages, b"abc").unwrap();
        write_frame(&mut frames, InputKind::Reports, b"").unwrap();
        let mut seen = Vec::new();
        let mut answers = Vec::new();
        serve(&frames[..], &mut answers, |kind, value| {
            seen.push((kind, value.to_vec()));
        })
        .unwrap();
        assert_eq!(answers, b"...");
        let expected = [
            (InputKind::Messages, b"abc".to_vec()),
            (InputKind::Reports, Vec::new()),
        ];
        assert_eq!(seen, expected);
        let cut = serve(&frames[..7], Vec::new(), |_, _| {});
        assert!(cut.is_err());
    }

    #[test]
    fn a_message_that_ends_the_child_is_the_killer_and_the_next_gets_a_new_child() {
        // Answers frames of one byte; dies at an `x`.
        let mut isolation = shell(
            "printf .; while f=$(head -c 6) && [ ${#f} -gt 0 ]; do case $f in *x*) kill -9 $$;; esac; printf .; done",
        );
        for (value, expected) in [
            (b"a", Suspicion::Cleared),
            (b"x", Suspicion::Confirmed),
            (b"b", Suspicion::Cleared),
        ] {
            let found = isolation.examine(InputKind::Messages, value).unwrap();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_child_that_hangs_is_a_death_and_one_that_does_not_start_is_an_error() {
        let mut hangs = shell("printf .; exec sleep 60");
        let found = hangs.examine(InputKind::Messages, b"a").unwrap();
        assert_eq!(found, Suspicion::Confirmed);
        let error = shell("exit 78").examine(InputKind::Messages, b"a");
        let words = error.unwrap_err().to_string();
        assert!(words.contains("exit status: 78"), "{words}");
    }
}
