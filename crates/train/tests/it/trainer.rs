use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use striate_data::{Batch, DataError, DataLoader, TensorDataset};
use striate_nn::{AdamW, BatchNorm1d, Dropout, Forward, Linear, Module, Pass, ReLU, Sequential, state_dict};
use striate_tensor::{DType, Generator, Gradients, Tensor};
use striate_train::{
    Batches, Callback, Classification, Context, Event, Measured, Outcome, SchedulePlan, Stream, TrainError, Trainer,
};

pub const CLASSES: usize = 3;

/// Points around three centres.
pub fn points(n: usize, seed: u64) -> TensorDataset {
    let rng = &mut Generator::new(seed);
    let labels: Vec<i64> = (0..n).map(|i| (i % CLASSES) as i64).collect();
    let centres = Tensor::from_vec(vec![2.0f32, 0.0, -2.0, 1.0, 0.0, -2.0], [CLASSES, 2]);
    let at = Tensor::from_vec(labels.clone(), [n]);
    let noise = Tensor::randn([n, 2], DType::F32, rng) * 0.4;
    TensorDataset::new(centres.index_select(0, &at) + noise, &Tensor::from_vec(labels, [n]))
}

pub fn network() -> Sequential {
    let rng = &mut Generator::new(7);
    Sequential::new()
        .add(Linear::new(2, 16, rng))
        .add(BatchNorm1d::new(16))
        .add(ReLU)
        .add(Dropout::new(0.2))
        .add(Linear::new(16, CLASSES, rng))
}

pub fn loaders() -> (DataLoader<TensorDataset>, DataLoader<TensorDataset>) {
    (DataLoader::new(points(90, 1), 16).shuffle(3), DataLoader::new(points(60, 2), 60))
}

pub fn bits(network: &impl Module) -> Vec<(String, Vec<u32>)> {
    let values = |t: Tensor| t.to_dtype(DType::F32).to_vec::<f32>().into_iter().map(f32::to_bits).collect();
    state_dict(network).into_iter().map(|(name, t)| (name, values(t))).collect()
}

pub fn trainer<N: Forward>(network: &mut N) -> Trainer<'_, N, Classification> {
    Trainer::new(network, Classification::new(CLASSES))
        .optimizer(AdamW::new(0.01))
        .schedule(SchedulePlan::parse("onecycle").unwrap())
        .ema(0.9)
        .accumulate(2)
        .clip_norm(1.0)
        .epochs(6)
        .seed(5)
        .log_every(2)
}

fn best(outcome: Outcome) -> Measured {
    match outcome {
        Outcome::Finished { best, .. } => best,
        Outcome::Stopped => panic!("stopped"),
    }
}

#[test]
fn an_own_network_learns_and_has_the_best_weights_at_the_end() {
    let (train, held_out) = loaders();
    let mut net = network();
    let mut events: Vec<Event> = Vec::new();
    let outcome = trainer(&mut net).epochs(12).sink(&mut events).fit(&train, &held_out).unwrap();
    let best = best(outcome);
    assert!(best.value("accuracy") > 0.95, "{best:?}");
    let batch = held_out.epoch(0).next().unwrap().unwrap();
    let predicted = Classification::predicted(&net.forward(batch.images, &Pass::eval()));
    let right = predicted.iter().zip(batch.targets.to_vec::<i64>()).filter(|(p, l)| **p as i64 == *l).count();
    assert_eq!(right as f64 / 60.0, best.value("accuracy"));
    let names: Vec<&str> = best.metrics.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names[..2], ["loss", "accuracy"]);
    let measured = events.iter().filter(|e| matches!(e, Event::Measured { .. })).count();
    assert_eq!((measured, matches!(events[0], Event::Started(_))), (12, true));
}

/// Sets the stop flag after this many steps.
struct StopAfter<'a>(u64, &'a AtomicBool);

impl<N> Callback<N> for StopAfter<'_> {
    fn after_step(&mut self, context: &mut Context<N>, _: f64) {
        if context.state.steps == self.0 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

/// Ends the training after this many steps, and sets the stop flag before what is held out is measured for the first time.
struct EndAfter<'a> {
    steps: u64,
    stop: Option<&'a AtomicBool>,
}

impl<N> Callback<N> for EndAfter<'_> {
    fn after_step(&mut self, context: &mut Context<N>, _: f64) {
        if context.state.steps == self.steps {
            context.stop("enough");
        }
    }
    fn before_validation(&mut self, _: &mut Context<N>) {
        self.stop.iter().for_each(|stop| stop.store(true, Ordering::Relaxed));
    }
}

#[test]
fn an_epoch_that_was_cut_short_gets_no_more_steps_after_a_stop() {
    let dir = tempfile::tempdir().unwrap();
    let (train, held_out) = loaders();
    let run = |name: &str, (steps, batches): (u64, usize), stops: bool| {
        let (mut net, stop) = (network(), AtomicBool::new(false));
        let trainer = trainer(&mut net).epochs(2).max_batches(batches).run_dir(dir.path().join(name)).resume(true);
        let end = EndAfter { steps, stop: stops.then_some(&stop) };
        let outcome = trainer.callback(end).stop(&stop).fit(&train, &held_out).unwrap();
        (outcome, bits(&net))
    };
    for (name, limits) in [("ended", (2, 99)), ("full", (99, 4))] {
        let whole = run(&format!("{name}-whole"), limits, false);
        assert_eq!(run(name, limits, true).0, Outcome::Stopped);
        assert!(run(name, limits, false) == whole, "{name}");
    }
}

#[test]
fn a_callback_that_panics_is_heard_though_the_training_is_stopped() {
    let (train, held_out) = loaders();
    let (mut net, stop) = (network(), AtomicBool::new(false));
    let trainer = trainer(&mut net).callback(StopAfter(3, &stop)).callback(PanicAt(2)).stop(&stop);
    assert!(matches!(trainer.fit(&train, &held_out), Err(TrainError::Callback { .. })));
}

/// Scales gradients by a number that changes from step to step.
#[derive(Default)]
struct Scaling(u64);

impl<N: Module> Callback<N> for Scaling {
    fn gradients(&mut self, context: &mut Context<N>, gradients: &mut Gradients) {
        self.0 += 1;
        for (_, parameter) in context.network.named_parameters() {
            if let Some(gradient) = gradients.take(parameter) {
                gradients.set(parameter, gradient * (1.0 / self.0 as f64));
            }
        }
    }
    fn state(&self) -> serde_json::Value {
        self.0.into()
    }
    fn set_state(&mut self, state: serde_json::Value) {
        self.0 = state.as_u64().expect("what was kept");
    }
}

#[test]
fn a_training_that_was_stopped_goes_on_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let (train, held_out) = loaders();
    let run = |name: &str, stop_after: Option<u64>| {
        let mut net = network();
        let stop = AtomicBool::new(false);
        let mut trainer = trainer(&mut net).callback(Scaling::default()).run_dir(dir.path().join(name)).resume(true);
        if let Some(steps) = stop_after {
            trainer = trainer.callback(StopAfter(steps, &stop));
        }
        let outcome = trainer.stop(&stop).fit(&train, &held_out).unwrap();
        assert_eq!(matches!(outcome, Outcome::Stopped), stop_after.is_some());
        bits(&net)
    };
    let whole = run("whole", None);
    // In the middle of an epoch, at its end, and twice.
    for (name, stops) in [("middle", vec![4]), ("end", vec![9]), ("twice", vec![1, 14])] {
        stops.into_iter().for_each(|steps| drop(run(name, Some(steps))));
        assert_eq!(run(name, None), whole, "{name}");
        let csv = |name: &str| std::fs::read_to_string(dir.path().join(name).join("metrics.csv")).unwrap();
        assert_eq!(csv(name), csv("whole"), "{name}");
    }
    let mut net = network();
    let again = trainer(&mut net).run_dir(dir.path().join("whole")).fit(&train, &held_out);
    assert!(matches!(again, Err(TrainError::RunExists { .. })));
    let mut net = network();
    let other = trainer(&mut net).seed(6).run_dir(dir.path().join("whole")).resume(true).fit(&train, &held_out);
    assert!(other.unwrap_err().to_string().contains("with seed 5, not"));
}

#[derive(Default)]
struct Order(std::rc::Rc<std::cell::RefCell<Vec<&'static str>>>);

impl<N> Callback<N> for Order {
    fn before_fit(&mut self, _: &mut Context<N>) {
        self.0.borrow_mut().push("before_fit");
    }
    fn before_epoch(&mut self, _: &mut Context<N>) {
        self.0.borrow_mut().push("before_epoch");
    }
    fn before_step(&mut self, _: &mut Context<N>) {
        self.0.borrow_mut().push("before_step");
    }
    fn gradients(&mut self, _: &mut Context<N>, _: &mut Gradients) {
        self.0.borrow_mut().push("gradients");
    }
    fn after_step(&mut self, _: &mut Context<N>, loss: f64) {
        assert!(loss > 0.0);
        self.0.borrow_mut().push("after_step");
    }
    fn before_validation(&mut self, _: &mut Context<N>) {
        self.0.borrow_mut().push("before_validation");
    }
    fn after_validation(&mut self, _: &mut Context<N>, measured: &Measured) {
        assert_eq!(measured.samples, 60);
        self.0.borrow_mut().push("after_validation");
    }
    fn after_epoch(&mut self, _: &mut Context<N>, _: &Measured) {
        self.0.borrow_mut().push("after_epoch");
    }
    fn after_fit(&mut self, _: &mut Context<N>) {
        self.0.borrow_mut().push("after_fit");
    }
}

#[test]
fn callbacks_are_called_in_the_order_that_is_documented() {
    let (train, held_out) = (DataLoader::new(points(90, 1), 45), DataLoader::new(points(60, 2), 60));
    let order = Order::default();
    let calls = order.0.clone();
    trainer(&mut network()).accumulate(1).epochs(2).callback(order).fit(&train, &held_out).unwrap();
    let step = ["before_step", "gradients", "after_step"];
    let end = ["before_validation", "after_validation", "after_epoch"];
    let epoch = [&["before_epoch"][..], &step, &step, &end].concat();
    assert_eq!(*calls.borrow(), [&["before_fit"][..], &epoch, &epoch, &["after_fit"]].concat());
}

struct Halve;

impl<N> Callback<N> for Halve {
    fn before_step(&mut self, context: &mut Context<N>) {
        context.set_lr(context.lr() / 2.0);
    }
    fn after_step(&mut self, context: &mut Context<N>, _: f64) {
        if context.state.steps == 8 {
            context.stop("eight steps are enough");
        }
    }
}

#[test]
fn a_callback_changes_rates_and_ends_the_training() {
    let (train, held_out) = loaders();
    let mut events: Vec<Event> = Vec::new();
    let mut net = network();
    let trainer = Trainer::new(&mut net, Classification::new(CLASSES)).optimizer(AdamW::new(0.01)).log_every(1);
    let outcome = trainer.callback(Halve).sink(&mut events).fit(&train, &held_out).unwrap();
    let rates: Vec<f64> =
        events.iter().filter_map(|e| if let Event::Progress { lr, .. } = e { Some(*lr) } else { None }).collect();
    assert_eq!(rates, (1..=8).map(|i| 0.01 / f64::from(1 << i)).collect::<Vec<_>>());
    assert!(matches!(outcome, Outcome::Finished { last, .. } if last.epoch == 2));
    let early =
        events.iter().find_map(|e| if let Event::StoppedEarly { reason, .. } = e { Some(reason) } else { None });
    assert_eq!(early.unwrap(), "eight steps are enough");
}

struct PanicAt(u64);

impl<N> Callback<N> for PanicAt {
    fn gradients(&mut self, context: &mut Context<N>, _: &mut Gradients) {
        assert!(context.state.steps != self.0, "no gradients today");
    }
}

#[test]
fn a_callback_that_panics_ends_the_training_with_a_whole_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let (train, held_out) = loaders();
    let mut net = network();
    let broken = trainer(&mut net).callback(PanicAt(7)).run_dir(dir.path()).fit(&train, &held_out).unwrap_err();
    let TrainError::Callback { message, steps, checkpoint } = &broken else { panic!("{broken}") };
    assert_eq!((message.as_str(), *steps), ("no gradients today", 8));
    assert!(checkpoint.as_ref().is_some_and(|file| file.is_file()), "{broken}");
    let mut net = network();
    trainer(&mut net).run_dir(dir.path()).resume(true).fit(&train, &held_out).unwrap();
    let mut whole = network();
    trainer(&mut whole).fit(&train, &held_out).unwrap();
    assert_eq!(bits(&net), bits(&whole));
}

#[test]
fn a_source_that_only_iterates_trains_to_the_same_bits() {
    let (train, held_out) = loaders();
    let open = {
        let train = DataLoader::new(points(90, 1), 16).shuffle(3);
        move |epoch| train.epoch(epoch)
    };
    let stream = Stream::new(open).per_epoch(train.num_batches());
    let (mut one, mut two) = (network(), network());
    trainer(&mut one).fit(&train, &held_out).unwrap();
    trainer(&mut two).fit(&stream, &held_out).unwrap();
    assert_eq!(bits(&one), bits(&two));
    let unknown = Stream::new(|epoch| DataLoader::new(points(90, 1), 16).epoch(epoch));
    assert!(matches!(trainer(&mut network()).fit(&unknown, &held_out), Err(TrainError::EpochLength)));
    let mut net = network();
    let constant = Trainer::new(&mut net, Classification::new(CLASSES)).epochs(1);
    assert!(constant.fit(&unknown, &held_out).is_ok(), "without a schedule the length does not matter");
    let endless = Stream::new(|_| (0..).map(|i| points(16, i)).map(|p| striate_data::Dataset::batch(&p, &[0, 1, 2])));
    let limited = Trainer::new(&mut net, Classification::new(CLASSES)).epochs(2).max_batches(5);
    let mut events: Vec<Event> = Vec::new();
    limited.sink(&mut events).fit(&endless, &held_out).unwrap();
    assert_eq!(events.iter().filter(|e| matches!(e, Event::Step { .. })).count(), 10);
}

#[test]
fn training_ends_by_patience_by_metric_and_by_time() {
    let (train, held_out) = loaders();
    let last = |outcome| if let Outcome::Finished { last, .. } = outcome { last.epoch } else { 0 };
    let start = || Box::leak(Box::new(network()));
    // No epoch is better by that much.
    let outcome = trainer(start()).epochs(50).patience(3).min_delta(2.0).fit(&train, &held_out).unwrap();
    assert_eq!(last(outcome), 4);
    let outcome =
        trainer(start()).epochs(50).monitor("loss").patience(3).min_delta(9.0).fit(&train, &held_out).unwrap();
    assert_eq!(last(outcome), 4);
    let outcome = trainer(start()).epochs(50).time_budget(Duration::ZERO).fit(&train, &held_out).unwrap();
    assert_eq!(last(outcome), 1);
    let error = trainer(start()).monitor("acuracy").fit(&train, &held_out).unwrap_err().to_string();
    assert!(error.starts_with("there is no metric 'acuracy': a classification run measures loss, accuracy"), "{error}");
}

/// Named samples, one of which is not a number.
pub struct Faulty(pub DataLoader<TensorDataset>);

impl Batches for Faulty {
    type Batch = Batch;
    fn per_epoch(&self) -> Option<usize> {
        Some(self.0.num_batches())
    }
    fn epoch_from(&self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = Result<Batch, DataError>> + '_> {
        let nan = |batch: Result<Batch, DataError>| {
            let batch = batch?;
            let images =
                if batch.indices.contains(&40) { batch.images.clone() * f64::NAN } else { batch.images.clone() };
            Ok(Batch { images, ..batch })
        };
        Box::new(self.0.epoch_from(epoch, first).map(nan))
    }
    fn names(&self, batch: &Batch) -> Vec<String> {
        batch.indices.iter().map(|i| format!("point {i}")).collect()
    }
}

#[test]
fn a_loss_that_is_not_finite_names_step_and_samples() {
    let train = Faulty(DataLoader::new(points(90, 1), 16));
    let held_out = DataLoader::new(points(60, 2), 60);
    let error = trainer(&mut network()).accumulate(1).fit(&train, &held_out).unwrap_err();
    let TrainError::NonFinite { step, samples, .. } = &error else { panic!("{error}") };
    assert_eq!((*step, samples.len()), (3, 16));
    assert!(
        error.to_string().contains("in the batch of point 32, point 33, point 34, point 35 and 12 more"),
        "{error}"
    );
}

#[test]
fn two_trainings_at_once_do_not_touch_each_other() {
    let run = |winograd: bool| {
        let settings = striate_tensor::ComputeSettings { winograd, threads: Some(1), ..Default::default() };
        settings.scope(|| {
            let (train, held_out) = loaders();
            let mut net = network();
            trainer(&mut net).epochs(3).fit(&train, &held_out).unwrap();
            assert_eq!(striate_tensor::ComputeSettings::current(), settings);
            bits(&net)
        })
    };
    let alone = [run(true), run(false)];
    let together = std::thread::scope(|scope| {
        let threads = [true, false].map(|winograd| scope.spawn(move || run(winograd)));
        threads.map(|thread| thread.join().unwrap())
    });
    assert_eq!(alone, together);
}
