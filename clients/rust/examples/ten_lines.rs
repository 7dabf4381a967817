//! The smallest program that asks for a loss and its gradient.

use gradwire::{Client, Error, Job};

fn main() {
    if let Err(error) = run() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Error> {
    let url = std::env::var("GRADWIRE_URL").unwrap_or("http://127.0.0.1:8000".into());
    let client = Client::new(&url)?;
    let reply = client.grad(&Job {
        loss: Some("softmax_cross_entropy".into()),
        scores: [[2.0_f32, 0.5, -1.0], [0.1, 1.2, 3.0]].into(),
        labels: Some([vec![0], vec![1, 2]].into()),
        ..Job::default()
    })?;
    println!("{}", reply.loss);
    for row in reply.grad.iter() {
        println!("{row:?}");
    }
    Ok(())
}
