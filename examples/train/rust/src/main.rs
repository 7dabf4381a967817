//! A small network that learns a multi-label task: everything is here but the loss and its gradient, which come from gradwire.
//! ../README.md says what it does, number by number, so that its weights can be compared with PyTorch's.

mod files;
mod network;
mod options;
mod training;

use std::error::Error;
use std::time::Instant;

use gradwire::Client;

use network::{Generator, Network};
use options::Options;

fn main() {
    if let Err(error) = run() {
        eprintln!("{}", error.to_string().replace('\n', "; "));
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let options = Options::read(std::env::args().skip(1))?;
    let mut data = files::read(&options.data)?;
    let client = Client::with_options(&options.url, gradwire::Options { form: options.form, ..Default::default() })?;
    let mut generator = Generator::new(options.seed);
    let mut network = Network::new(data.inputs, options.hidden, data.classes, &mut generator);
    let began = Instant::now();
    let told = training::train(&mut network, &mut data, &options, &mut generator, &client)?;
    files::write(&options.out, began.elapsed(), &told, &network)
}
