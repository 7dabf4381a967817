//! Asks a gradwire service for multi-label losses and their exact gradients. The standard library is all it needs.
//!
//! ```no_run
//! use gradwire::{Client, Job};
//!
//! let client = Client::new("http://127.0.0.1:8000")?;
//! let reply = client.grad(&Job {
//!     loss: Some("softmax_cross_entropy".into()),
//!     scores: [[2.0_f32, 0.5, -1.0], [0.1, 1.2, 3.0]].into(),
//!     labels: Some([vec![0], vec![1, 2]].into()),
//!     ..Job::default()
//! })?;
//! println!("{}", reply.loss); // the mean over the rows; reply.grad is d(loss)/d(scores)
//! # Ok::<(), gradwire::Error>(())
//! ```
//!
//! A [`Client`] keeps its connections and may be shared by threads. A call blocks until it is answered, or until the client's timeout has
//! passed, retries and the waits between them included. What can go wrong is an [`Error`].

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod address;
mod answer;
mod binary;
mod client;
mod connection;
mod element;
mod error;
mod http;
mod job;
mod json;
mod json_form;
mod json_reader;
mod pool;
mod reply;
mod retry;
mod rows;
mod words;

pub use client::{Client, Form, Options};
pub use element::Float;
pub use error::{BadReply, Error, FieldError, Refused, TimedOut, Unreachable};
pub use job::{Job, Labels, Value};
pub use json::Json;
pub use reply::{GradReply, LossReply};
pub use rows::Rows;
pub use words::{Dtype, MeanOver, Reduction};
