//! Plain SGD, whose loss and gradient come from gradwire.

use std::error::Error;

use gradwire::{Client, Job, Labels, Rows};

use crate::files::{Data, Row};
use crate::network::{relu, Generator, Network};
use crate::options::Options;

/// What a training has to say beside its weights.
pub struct Told {
    pub requests: usize,
    pub loss: f64, // of the last epoch: the rows' mean of the losses of its batches
}

pub fn train(
    network: &mut Network,
    data: &mut Data,
    options: &Options,
    generator: &mut Generator,
    client: &Client,
) -> Result<Told, Box<dyn Error>> {
    let mut told = Told { requests: 0, loss: 0.0 };
    for _ in 0..options.epochs {
        shuffle(&mut data.rows, generator);
        let mut total = 0.0;
        for batch in data.rows.chunks(options.batch) {
            total += step(network, batch, options, client)? * batch.len() as f64;
            told.requests += 1;
        }
        told.loss = total / data.rows.len() as f64;
    }
    Ok(told)
}

/// From the last row down, each changes places with one that is not behind it.
fn shuffle(rows: &mut [Row], generator: &mut Generator) {
    for i in (1..rows.len()).rev() {
        let j = generator.draw() * (i + 1) as f64 / 2_f64.powi(32);
        rows.swap(i, j as usize);
    }
}

/// One step; returns the loss before it.
fn step(network: &mut Network, batch: &[Row], options: &Options, client: &Client) -> Result<f64, Box<dyn Error>> {
    let hidden: Vec<Vec<f64>> = batch.iter().map(|row| relu(network.first.forward(&row.features))).collect();
    let scores = hidden.iter().map(|values| network.second.forward(values)).collect();
    let (loss, grad) = ask(scores, batch, options, client)?;
    let (mut first, mut second) = (network.first.zeros(), network.second.zeros());
    for ((row, hidden), above) in batch.iter().zip(&hidden).zip(grad.iter()) {
        let mut below = network.second.backward(&mut second, hidden, above);
        below.iter_mut().zip(hidden).filter(|(_, value)| **value <= 0.0).for_each(|(below, _)| *below = 0.0);
        network.first.backward(&mut first, &row.features, &below);
    }
    network.first.descend(&first, options.rate);
    network.second.descend(&second, options.rate);
    Ok(loss)
}

/// The loss of a batch, and its gradient by the scores.
fn ask(scores: Rows<f64>, batch: &[Row], options: &Options, client: &Client) -> Result<(f64, Rows<f64>), Box<dyn Error>> {
    let reply = client.grad(&Job {
        loss: Some(options.loss.clone()),
        scores,
        labels: Some(Labels::Lists(batch.iter().map(|row| row.labels.iter().copied()).collect())),
        dtype: Some(options.dtype),
        runtime: Some(options.runtime.clone()),
        ..Job::default()
    })?;
    Ok((reply.loss.number().ok_or("the loss is not one number")?, reply.grad))
}
