//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use gradwire::{Dtype, Form};

/// What the command line says, or leaves as it is.
pub struct Options {
    pub url: String,
    pub data: PathBuf,
    pub out: PathBuf,
    pub loss: String,
    pub dtype: Dtype,
    pub form: Form,
    pub runtime: String,
    pub epochs: usize,
    pub batch: usize,
    pub hidden: usize,
    pub rate: f64,
    pub seed: u32,
}

impl Options {
    /// Reads `--name value` pairs; the error says what is wrong.
    pub fn read(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            url: String::new(),
            data: PathBuf::new(),
            out: PathBuf::new(),
            loss: "softmax_cross_entropy".into(),
            dtype: Dtype::Float64,
            form: Form::Binary,
            runtime: "pytorch".into(),
            epochs: 20,
            batch: 64,
            hidden: 32,
            rate: 0.1,
            seed: 1,
        };
        while let Some(name) = words.next() {
            let value = words.next().ok_or_else(|| format!("{name}: its value is missing, or it is no option"))?;
            options.set(&name, &value).map_err(|error| format!("{name}: {error}"))?;
        }
        options.checked()
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "--url" => self.url = value.into(),
            "--data" => self.data = value.into(),
            "--out" => self.out = value.into(),
            "--loss" => self.loss = value.into(),
            "--dtype" => self.dtype = value.parse()?,
            "--form" => self.form = form(value)?,
            "--runtime" => self.runtime = value.into(),
            "--epochs" => self.epochs = number(value)?,
            "--batch" => self.batch = number(value)?,
            "--hidden" => self.hidden = number(value)?,
            "--rate" => self.rate = number(value)?,
            "--seed" => self.seed = number(value)?,
            _ => return Err("is no option".into()),
        }
        Ok(())
    }

    fn checked(self) -> Result<Options, String> {
        if self.url.is_empty() || self.data.as_os_str().is_empty() || self.out.as_os_str().is_empty() {
            return Err("--url, --data and --out are needed".into());
        }
        if self.epochs == 0 || self.batch == 0 || self.hidden == 0 {
            return Err("--epochs, --batch and --hidden are at least 1".into());
        }
        Ok(self)
    }
}

fn form(value: &str) -> Result<Form, String> {
    match value {
        "binary" => Ok(Form::Binary),
        "json" => Ok(Form::Json),
        _ => Err(format!("found {value:?}; expected binary or json")),
    }
}

fn number<N: FromStr>(value: &str) -> Result<N, String> {
    value.parse().map_err(|_| format!("found {value:?}; expected a number"))
}
