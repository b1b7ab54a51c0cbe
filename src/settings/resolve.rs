//! Merged settings → resolved types, with every fault that takes more than one value to see.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dmwatch_core::document::{Fault, Faults, Origin};
use dmwatch_core::message::FieldMap;

use super::explain::Places;
use super::needs::Needs;
use super::secret::Secret;
use super::types::{
    Context, DeadLetters, FirstOffset, Http, Input, Log, LogFormat, LogLevel, Output, Rules,
    Settings, Start, Stream, Topics,
};
use super::values::View;

mod cross;
mod kafka;
mod regions;
mod routing;

/// Reads everything. Faults go to the resolver's collector; with errors among them the result is
/// harmless, and not to be used.
pub(super) struct Resolver<'a> {
    /// The merged settings.
    pub(super) root: View<'a>,
    /// What the command needs.
    pub(super) needs: Needs,
    /// Directory of the settings file.
    pub(super) directory: &'a Path,
    /// Where faults go.
    pub(super) faults: &'a mut Faults,
}

impl Resolver<'_> {
    /// Reads everything.
    pub(super) fn settings(mut self) -> Settings {
        let regions = self.regions();
        let keys = self.keys(&regions);
        let settings = Settings {
            kafka: self.kafka(),
            topics: self.topics(),
            input: self.input(),
            output: Output {
                max_bytes: self.root.at("output.max_bytes").size(),
            },
            start: self.start(),
            stream: self.stream(),
            context: Context {
                messages: self.root.at("context.messages").count(),
                max_age: self.duration("context.max_age"),
                max_bytes: self.root.at("context.max_bytes").size(),
            },
            regions: regions.into(),
            keys,
            routing: self.routing().into(),
            rules: Rules {
                dir: self.path(&self.root.at("rules.dir")).unwrap_or_default(),
            },
            http: self.http(),
            log: self.log(),
            places: Places::default(),
            warnings: Vec::new(),
        };
        self.cross_check(&settings);
        settings
    }

    fn duration(&self, path: &str) -> Duration {
        self.root.at(path).duration().unwrap_or_default()
    }

    /// A path: from the settings file's directory if it was written there.
    fn path(&self, view: &View<'_>) -> Option<PathBuf> {
        let path = Path::new(view.text()?);
        let is_from_file = view.place().origin == Origin::File;
        Some(if is_from_file {
            self.directory.join(path)
        } else {
            path.to_owned()
        })
    }

    /// The secret in the file that the setting names.
    fn secret(&mut self, view: &View<'_>) -> Option<Secret> {
        let path = self.path(view)?;
        if !self.needs.kafka {
            return None;
        }
        match Secret::read(&path) {
            Ok(secret) => Some(secret),
            Err(error) => {
                let message = format!("cannot use the secret file `{}`: {error}", path.display());
                let fault = Fault::error("unreadable", message, &view.place());
                self.faults
                    .push(fault.label("the secret is read from here"));
                None
            }
        }
    }

    fn topics(&mut self) -> Topics {
        let topics = self.root.at("topics");
        let list = |name: &str| topics.at(name).owned_texts().unwrap_or_default();
        Topics {
            messages: list("messages"),
            reports: list("reports"),
            review_prefix: topics.at("review_prefix").text_or_empty(),
            dead_letter: topics.at("dead_letter").text_or_empty(),
            state: topics.at("state").text_or_empty(),
        }
    }

    fn input(&mut self) -> Input {
        let fields = self.root.at("input.fields").entries("<field>");
        let paths = fields
            .iter()
            .filter_map(|(key, view)| Some((key.name.clone(), view.text()?.to_owned())))
            .collect();
        let fields = FieldMap::new(&paths).unwrap_or_else(|errors| {
            for error in errors {
                let found = fields.iter().find(|(key, _)| key.name == error.field());
                let place = found.map_or_else(
                    || self.root.at("input.fields").key_place(),
                    |(_, view)| view.place(),
                );
                // A key that is unknown has been reported, with a suggestion.
                if !matches!(error, dmwatch_core::message::FieldPathError::Unknown { .. }) {
                    let fault = Fault::error("field-path", error.to_string(), &place);
                    self.faults.push(fault);
                }
            }
            FieldMap::default()
        });
        Input {
            fields,
            max_bytes: self.root.at("input.max_bytes").size(),
        }
    }

    fn start(&self) -> Start {
        let first = self.root.at("start.first_offset");
        Start {
            first_offset: match first.text() {
                Some("latest") => FirstOffset::Latest,
                _ => FirstOffset::Earliest,
            },
            epoch: self.root.at("start.epoch").text_or_empty(),
        }
    }

    fn stream(&self) -> Stream {
        let stream = self.root.at("stream");
        let letters = stream.at("dead_letters");
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        Stream {
            shards: match stream.at("shards").count() {
                0 => cores(),
                shards => shards,
            },
            max_in_flight: stream.at("max_in_flight").count(),
            max_in_flight_bytes: stream.at("max_in_flight_bytes").size(),
            partition_span: stream.at("partition_span").count(),
            partition_span_bytes: stream.at("partition_span_bytes").size(),
            drain_timeout: self.duration("stream.drain_timeout"),
            shutdown_grace: self.duration("stream.shutdown_grace"),
            commit_interval: self.duration("stream.commit_interval"),
            dead_letters: DeadLetters {
                max_ratio: letters.at("max_ratio").number(),
                ratio_over: letters.at("ratio_over").integer().unwrap_or_default(),
                max_consecutive: letters.at("max_consecutive").integer().unwrap_or_default(),
            },
            deaths_before_isolation: {
                let deaths = stream.at("deaths_before_isolation");
                deaths.integer().unwrap_or_default()
            },
        }
    }

    fn http(&mut self) -> Http {
        let listen = self.root.at("http.listen");
        let address = listen.text().and_then(|text| text.parse().ok());
        if address.is_none()
            && let Some(node) = listen.node()
        {
            let fault = node.expected("wrong-type", "an IP address and port");
            self.faults
                .push(fault.help("for example `127.0.0.1:9464`, or `[::]:9464`"));
        }
        let token = self.root.at("http.token_file");
        Http {
            listen: address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0))),
            token: self.secret(&token),
        }
    }

    fn log(&self) -> Log {
        let log = self.root.at("log");
        Log {
            level: match log.at("level").text() {
                Some("error") => LogLevel::Error,
                Some("warn") => LogLevel::Warn,
                Some("debug") => LogLevel::Debug,
                Some("trace") => LogLevel::Trace,
                _ => LogLevel::Info,
            },
            format: match log.at("format").text() {
                Some("text") => LogFormat::Text,
                _ => LogFormat::Json,
            },
        }
    }
}
