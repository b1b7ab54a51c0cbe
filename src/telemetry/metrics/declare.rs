//! What a declaration of a metric is, and the macros that turn the table into fields.

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; starts again at zero with the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets with a sum and a count.
    Histogram,
}

impl Kind {
    /// The name that the exposition format and the documentation use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// The declaration of one metric: the one source of its registration and of its documentation.
#[derive(Debug)]
pub struct Metric {
    /// Heading of the documentation that it stands under.
    pub section: &'static str,
    /// Full name.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// Label names, in the order in which values are given.
    pub labels: &'static [&'static str],
    /// One sentence: what is counted or measured, in which unit.
    pub help: &'static str,
    /// Upper bounds of the buckets; empty unless it is a histogram.
    pub buckets: &'static [f64],
}

macro_rules! handle {
    (counter) => {
        prometheus::IntCounter
    };
    (counters) => {
        prometheus::IntCounterVec
    };
    (seconds) => {
        prometheus::CounterVec
    };
    (gauge) => {
        prometheus::IntGauge
    };
    (gauges) => {
        prometheus::IntGaugeVec
    };
    (timestamp) => {
        prometheus::Gauge
    };
    (histogram) => {
        prometheus::Histogram
    };
}

macro_rules! kind {
    (counter) => {
        Kind::Counter
    };
    (counters) => {
        Kind::Counter
    };
    (seconds) => {
        Kind::Counter
    };
    (gauge) => {
        Kind::Gauge
    };
    (gauges) => {
        Kind::Gauge
    };
    (timestamp) => {
        Kind::Gauge
    };
    (histogram) => {
        Kind::Histogram
    };
}

macro_rules! build {
    (counter, $metric:expr) => {
        prometheus::IntCounter::with_opts($metric.opts())
    };
    (counters, $metric:expr) => {
        prometheus::IntCounterVec::new($metric.opts(), $metric.labels)
    };
    (seconds, $metric:expr) => {
        prometheus::CounterVec::new($metric.opts(), $metric.labels)
    };
    (gauge, $metric:expr) => {
        prometheus::IntGauge::with_opts($metric.opts())
    };
    (gauges, $metric:expr) => {
        prometheus::IntGaugeVec::new($metric.opts(), $metric.labels)
    };
    (timestamp, $metric:expr) => {
        prometheus::Gauge::with_opts($metric.opts())
    };
    (histogram, $metric:expr) => {
        prometheus::Histogram::with_opts($metric.histogram_opts())
    };
}

/// Metrics that code writes through a handle: a struct with one field each, and their table.
macro_rules! written {
    ($($section:literal {
        $($kind:ident $field:ident $name:literal [$($label:literal),*] $(buckets $buckets:ident)? $help:literal;)+
    })+) => {
        /// Handles of every metric that is written as things happen.
        ///
        /// A handle is a clone of a shared atomic: take those with labels once
        /// (`with_label_values`), keep them, and add per batch.
        #[derive(Clone)]
        #[allow(missing_debug_implementations)]
        pub struct Families {
            $($(#[doc = $help] pub $field: handle!($kind),)+)+
        }

        /// The declarations of [`Families`], in order.
        pub static WRITTEN: &[Metric] = &[
            $($(Metric {
                section: $section,
                name: $name,
                kind: kind!($kind),
                labels: &[$($label),*],
                help: $help,
                buckets: first!($($buckets)?),
            },)+)+
        ];

        impl Families {
            /// Makes and registers every metric of [`WRITTEN`].
            pub(super) fn register(registry: &prometheus::Registry) -> prometheus::Result<Self> {
                let mut declared = WRITTEN.iter();
                Ok(Self {
                    $($($field: {
                        // One declaration per field, both written by the same macro line.
                        let metric = declared.next().ok_or(prometheus::Error::AlreadyReg)?;
                        let handle = build!($kind, metric)?;
                        registry.register(Box::new(handle.clone()))?;
                        handle
                    },)+)+
                })
            }
        }
    };
}

/// Metrics that are read off their source when Prometheus scrapes: constants, and their table.
macro_rules! sampled {
    ($($section:literal {
        $($kind:ident $constant:ident $name:literal [$($label:literal),*] $help:literal;)+
    })+) => {
        $($(
            #[doc = $help]
            pub(super) static $constant: Metric = Metric {
                section: $section,
                name: $name,
                kind: kind!($kind),
                labels: &[$($label),*],
                help: $help,
                buckets: &[],
            };
        )+)+

        /// Every metric that is read off its source at scrape time.
        pub static SAMPLED: &[&Metric] = &[$($(&$constant,)+)+];
    };
}

macro_rules! first {
    () => {
        &[]
    };
    ($buckets:ident) => {
        $buckets
    };
}

pub(super) use {build, first, handle, kind, sampled, written};

impl Metric {
    pub(super) fn opts(&self) -> prometheus::Opts {
        prometheus::Opts::new(self.name, self.help)
    }

    pub(super) fn histogram_opts(&self) -> prometheus::HistogramOpts {
        prometheus::HistogramOpts::new(self.name, self.help).buckets(self.buckets.to_vec())
    }
}
