//! The data, and what comes out.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::network::Network;
use crate::training::Told;

/// The rows of a file.
pub struct Data {
    pub inputs: usize,
    pub classes: usize,
    pub rows: Vec<Row>,
}

/// A sample: its features, and the indices of its labels.
pub struct Row {
    pub features: Vec<f64>,
    pub labels: Vec<i64>,
}

/// Reads "rows inputs classes", then a line a row: features, then labels 0 or 1.
pub fn read(path: &Path) -> Result<Data, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut lines = text.trim_end().lines();
    let counts: Vec<usize> = lines.next().unwrap_or("").split_whitespace().map_while(|word| word.parse().ok()).collect();
    let &[count, inputs, classes] = &counts[..] else {
        return Err(format!("{}: expected a first line with rows, inputs and classes", path.display()).into());
    };
    let rows =
        lines.enumerate().map(|(n, line)| row(line, inputs, classes).map_err(|error| format!("{}:{}: {error}", path.display(), n + 2)));
    let rows = rows.collect::<Result<Vec<Row>, String>>()?;
    if count == 0 || rows.len() != count {
        return Err(format!("{}: found {} rows, expected {count}, and at least 1", path.display(), rows.len()).into());
    }
    Ok(Data { inputs, classes, rows })
}

fn row(line: &str, inputs: usize, classes: usize) -> Result<Row, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if words.len() != inputs + classes {
        return Err(format!("found {} numbers, expected {}", words.len(), inputs + classes));
    }
    let (features, flags) = words.split_at(inputs);
    let features = features.iter().map(|word| word.parse().map_err(|_| format!("found {word:?}, expected a number")));
    Ok(Row { features: features.collect::<Result<_, _>>()?, labels: indices(flags)? })
}

/// The places of the ones.
fn indices(flags: &[&str]) -> Result<Vec<i64>, String> {
    let mut labels = Vec::new();
    for (class, flag) in flags.iter().enumerate() {
        match *flag {
            "0" => {}
            "1" => labels.push(class as i64),
            _ => return Err(format!("the label {flag:?} is neither 0 nor 1")),
        }
    }
    Ok(labels)
}

/// Writes the results, and the weights with 17 significant digits.
pub fn write(path: &Path, took: Duration, told: &Told, network: &Network) -> Result<(), Box<dyn Error>> {
    let weights: Vec<f64> = network.parameters().into_iter().flatten().copied().collect();
    let mut out =
        format!("seconds {:.6}\nrequests {}\nloss {:.16e}\nweights {}\n", took.as_secs_f64(), told.requests, told.loss, weights.len());
    for weight in weights {
        writeln!(out, "{weight:.16e}")?;
    }
    fs::write(path, out).map_err(|error| format!("{}: {error}", path.display()).into())
}
