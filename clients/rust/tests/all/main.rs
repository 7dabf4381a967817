//! What clients/README.md asks of every client, against the services that its environment variables name.

mod faults;
mod golden;
mod live;
mod retries;
mod setup;
