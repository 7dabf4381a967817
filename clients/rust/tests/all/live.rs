//! The service itself: wrong use, keys, limits, many threads; and that nothing stays open.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use gradwire::{Client, Dtype, Error, Form, Job, Labels, Options, Reduction, Rows, Value};

use crate::setup::*;

fn job<const C: usize>(scores: Vec<[f32; C]>, labels: Vec<Vec<i64>>) -> Job<f32> {
    Job { scores: scores.into(), labels: Some(labels.into()), ..Job::default() }
}

#[test]
fn wrong_use_is_refused_in_the_services_words() {
    let plain = || job(vec![[1.0, 2.0]], vec![vec![0]]);
    let gamma = BTreeMap::from([("gamma".into(), f64::NAN.into())]);
    let wrong = [
        ("/scores/1", Job { scores: [vec![1.0, 2.0], vec![3.0]].into(), ..job(vec![[0.0]], vec![vec![0], vec![1]]) }),
        ("/targets/1", Job { targets: Some([vec![1.0], vec![]].into()), labels: None, ..plain() }),
        ("/scores/0/1", job(vec![[1.0, f32::NAN]], vec![vec![0]])),
        ("/scores/0/1", job(vec![[1.0, f32::INFINITY]], vec![vec![0]])),
        ("/labels/0/0", job(vec![[1.0, 2.0]], vec![vec![2]])),
        (
            "/label_weights/0",
            Job { label_weights: Some([vec![1.0, 1.0], vec![]].into()), ..job(vec![[1.0], [2.0]], vec![vec![0], vec![0]]) },
        ),
        ("/label_weights", Job { label_weights: Some(Labels::Single(vec![1.0])), ..plain() }),
        ("/label_weights", Job { label_weights: Some([[1.0]].into()), labels: None, ..plain() }),
        ("/scores", Job::default()),
        ("/params/gamma", Job { loss: Some("focal".into()), params: gamma, ..plain() }),
        ("/grad_output", Job { grad_output: Some(Value::Vector(vec![1.0, 2.0])), ..plain() }),
    ];
    for (pointer, job) in wrong {
        for form in FORMS {
            let refused = expected!(client(&setting("GRADWIRE_URL"), in_form(form)).grad(&job).expect_err(pointer), Refused);
            let is_there = refused.errors.first().is_some_and(|each| each.pointer.starts_with(pointer));
            assert!(refused.status == 422 && is_there, "{form:?}: found {refused:?}, expected 422 at {pointer}");
        }
    }
}

#[test]
fn minus_infinity_masks_a_class_in_the_binary_form() {
    let job = Job { scores: [[2.0, f64::NEG_INFINITY, -1.0]].into(), labels: Some([vec![0]].into()), ..Job::default() };
    let grad = live().grad(&job).unwrap().grad;
    assert!(grad[0][1] == 0.0 && grad[0][0] != 0.0, "found {grad:?}");
}

#[test]
fn a_job_in_another_precision_than_its_scores() {
    for form in FORMS {
        let client = client(&setting("GRADWIRE_URL"), in_form(form));
        let wide = client.grad(&Job { dtype: Some(Dtype::Float64), ..softmax() }).unwrap();
        assert!((wide.loss.number().unwrap() - 0.670_213_04).abs() < 1e-5);
        let narrow = Job {
            dtype: Some(Dtype::Float32),
            ..Job { scores: [[2.0_f64, 0.5]].into(), labels: Some([vec![0]].into()), ..Job::default() }
        };
        let loss = client.loss(&narrow).unwrap().loss.number().unwrap();
        assert_eq!(loss, f64::from(loss as f32));
        let large = Job {
            scores: [[3e38_f32]].into(),
            targets: Some([[0.0]].into()),
            sample_weight: Some(vec![2.0]),
            dtype: Some(Dtype::Float64),
            loss: Some("bce".into()),
            ..Job::default()
        };
        assert!(expected!(client.loss(&large).unwrap_err(), BadReply).found.contains("Job<f64>"));
    }
}

#[test]
fn a_key_is_sent_and_not_shown() {
    let with = |key: Option<&str>| client(&setting("GRADWIRE_LOCKED_URL"), Options { key: key.map(str::to_string), ..Options::default() });
    let locked = with(Some(&setting("GRADWIRE_LOCKED_KEY")));
    works(&locked);
    assert!(!format!("{locked:?}").contains(&setting("GRADWIRE_LOCKED_KEY")));
    for key in [None, Some("another")] {
        let refused = expected!(failure(&with(key)), Refused);
        assert!(refused.status == 401 && refused.detail.contains("key"), "found {refused:?}");
    }
}

#[test]
fn a_body_that_is_too_large_is_refused_and_not_lost() {
    let client = client(&setting("GRADWIRE_LOCKED_URL"), Options { key: Some(setting("GRADWIRE_LOCKED_KEY")), ..Options::default() });
    for columns in [200, 1_000, 2_000, 20_000] {
        let job = Job {
            scores: Rows::of_width(columns, vec![0.0_f64; 100 * columns]),
            labels: Some(vec![vec![0]; 100].into()),
            ..Job::default()
        };
        for _ in 0..3 {
            let refused = expected!(client.grad(&job).unwrap_err(), Refused);
            assert!(refused.status == 413 && refused.detail.contains("100000"), "found {refused:?}");
        }
    }
    works(&client);
}

#[test]
fn a_large_batch() {
    let (rows, columns) = (2_000, 500); // 8 MB each way
    let labels: Rows<i64> = (0..rows).map(|row| [row % 500]).collect();
    let job = Job {
        loss: Some("bce".into()),
        scores: Rows::of_width(columns, vec![0.0_f64; rows as usize * columns]),
        labels: Some(labels.into()),
        reduction: Some(Reduction::None),
        ..Job::default()
    };
    let reply = live().grad(&job).unwrap();
    assert_eq!((reply.grad.len(), reply.grad[7][7], reply.grad[7][8]), (2_000, -0.5, 0.5));
    assert!(matches!(reply.loss, Value::Matrix(losses) if losses.len() == 2_000));
}

#[test]
fn chunked_replies_are_read_and_their_connection_is_kept() {
    for form in FORMS {
        let before = counted("connections", "");
        let client = faulty("chunked", in_form(form));
        works(&client);
        works(&client);
        assert_eq!(counted("connections", "") - before, 1);
    }
}

#[test]
fn one_connection_serves_many_requests() {
    let before = (counted("connections", ""), counted("requests", ""));
    let client = faulty("golden/softmax", Options::default());
    for _ in 0..100 {
        works(&client);
    }
    assert_eq!((counted("connections", "") - before.0, counted("requests", "") - before.1), (1, 100));
}

#[test]
fn threads_share_a_client() {
    let client = live();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..20).for_each(|_| works(&client)));
        }
    });
    fn is_shared<T: Send + Sync>() {}
    is_shared::<(Client, Error, Job<f32>, Options)>();
}

#[test]
fn nothing_stays_open() {
    let before = counted("open", "");
    for fault in ["silent", "stalls", "cut", "html", "redirect", "wrong-shape", "status/422", "golden/softmax"] {
        let client = faulty(fault, with_timeout_ms(100));
        let _ = client.grad(&softmax());
    }
    let is_over = || (0..20).any(|_| counted("open", "") <= before || (thread::sleep(Duration::from_millis(50)), false).1);
    assert!(is_over(), "found {} open, {before} before", counted("open", ""));
}

#[test]
fn a_path_in_the_address_is_kept() {
    works(&client(&format!("{}/golden/softmax/", setting("GRADWIRE_FAULTS_URL")), Options::default()));
}

#[test]
fn addresses_and_options_are_checked() {
    for url in ["", "127.0.0.1:8000", "ftp://a", "http://", "https://a"] {
        expected!(Client::new(url).unwrap_err(), Misused);
    }
    let key = |key: &str| Options { key: Some(key.into()), ..Options::default() };
    for options in [key(""), key("a\n"), with_timeout_ms(0)] {
        expected!(Client::with_options("http://a", options).unwrap_err(), Misused);
    }
    let longest = Options { timeout: Duration::MAX, form: Form::Json, ..Options::default() };
    works(&client(&setting("GRADWIRE_URL"), longest));
}
