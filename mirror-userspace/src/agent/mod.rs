//! The agent: watches, reducer, searches, mirrors and the admin server, joined.
//!
//! One task owns all of it and does one piece of work at a time, so nothing is locked, and the reducer's
//! decisions are carried out in order. The task waits only in [`Agent::next`], which can be dropped at any
//! time; [`Agent::perform`] must run to its end.

mod answers;
mod documents;
mod hand_over;
mod memory;
mod mirrors;
mod own;
mod remembering;
mod rules;
mod taking_over;
mod told;

use std::{
    collections::{BTreeMap, VecDeque},
    future, mem,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Result, bail};
use log::{Level, error, info, log, warn};
use mirror_core::{ledger::Ledger, policy::PolicyConfig};
use mirror_kubernetes::{
    cluster::{
        Action, AllDocuments, Client, Event, GateConfig, Gates, Needs, Node, NodeState, RuleId,
        Searcher, Sought, TellConfig, Update, Watches,
    },
    config::{Document, Terms},
    plan::{Rule, Scope},
};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::admin::{Question, Questions};
pub use mirrors::{Ended, MirrorConfig, Rooms, Sharing};
pub use own::NodeAddresses;

use documents::Documents;
use hand_over::{HandOver, Met};
use memory::Memory;
use mirrors::{Mirrors, News, ToAttach};
use rules::{RuleChange, Rules};
use told::Telling;

/// How often to check whether the attached interfaces still exist, at one system call each.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Everything that an agent is made of.
pub struct AgentConfig {
    /// The connection to the API.
    pub client: Client,
    /// The name of this node in the cluster.
    pub node_name: String,
    /// This node's processes and network.
    pub node: Node,
    /// What the mirrors have in common.
    pub mirror: MirrorConfig,
    /// The rules that hold whatever documents say.
    pub rules: Vec<Rule>,
    /// Documents of files, for more rules.
    pub documents: Vec<Document>,
    /// What all documents may have.
    pub terms: Terms,
    /// The namespaces whose documents are watched for more rules; `None` for no namespace's.
    pub watched: Option<Scope>,
    /// What holds for all rules that are made of documents.
    pub policy: PolicyConfig,
    /// How people are told in the cluster what became of documents; `None`: not at all.
    pub tell: Option<TellConfig>,
    /// The file that has what is known of the cluster, for the next agent of this node.
    pub state: Option<PathBuf>,
    /// Whether and how readiness gates are opened, of the pods of these namespaces.
    pub gates: Option<(GateConfig, Scope)>,
    /// The socket at which an agent takes over from the one before it on this node.
    pub hand_over: Option<PathBuf>,
}

/// A running agent. Dropping it detaches everywhere.
pub struct Agent {
    state: NodeState,
    rules: Rules,
    fixed: Vec<Rule>,
    documents: Documents,
    watched: Option<Scope>,
    watches: Watches,
    searcher: Searcher,
    mirrors: Mirrors,
    questions: Questions,
    actions: VecDeque<Action>,
    /// The rules that were stopped because something of them panicked, with their names.
    broken: BTreeMap<RuleId, String>,
    /// Rules whose mirrors are to go on otherwise.
    changed: Vec<(RuleId, Box<Rule>)>,
    check: Interval,
    telling: Option<Telling>,
    tell: Option<TellConfig>,
    memory: Option<Memory>,
    gates: Option<Gates>,
    gated: Option<Scope>,
    hand_over: Option<HandOver>,
}

/// Something to be done.
#[derive(Debug)]
pub struct Work(Kind);

#[derive(Debug)]
enum Kind {
    Update(Update),
    Action(Action),
    Answers(Vec<Event>),
    Question(Question),
    Check,
    News(News),
    Met(Met),
}

impl Agent {
    /// Begins to watch. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// A rule can't be used.
    pub fn new(config: AgentConfig, questions: Questions) -> Result<Self> {
        let mut check = interval(CHECK_EVERY);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (watched, terms) = (config.watched.as_ref(), &config.terms);
        let memory = config.state;
        let memory = memory.map(|path| Memory::open(path, &config.node_name, watched, terms));
        let hand_over = config.hand_over.map(HandOver::start);
        let waits = hand_over.as_ref().is_some_and(HandOver::waits);
        let (gates, gated) = config.gates.unzip();
        let gates = gates.map(|gates| Gates::new(config.client.clone(), gates));
        let mut watches = Watches::new(config.client, config.node_name);
        watches.set_consent(config.terms.consent.clone());
        let mut agent = Self {
            state: NodeState::default(),
            rules: Rules::default(),
            fixed: config.rules,
            documents: Documents::new(config.documents, config.terms, config.policy),
            watched: config.watched,
            watches,
            searcher: Searcher::new(config.node.clone()),
            mirrors: Mirrors::new(config.mirror, config.node, waits),
            questions,
            actions: VecDeque::new(),
            broken: BTreeMap::new(),
            changed: Vec::new(),
            check,
            telling: config.tell.clone().filter(|_| !waits).map(Telling::start),
            tell: config.tell,
            memory,
            gates,
            gated,
            hand_over,
        };
        agent.on_documents(AllDocuments::default())?;
        Ok(agent)
    }

    /// Waits for something to do. Nothing is lost if this is dropped before it is done.
    pub async fn next(&mut self) -> Work {
        let actions = &mut self.actions;
        let action = async {
            match actions.pop_front() {
                Some(action) => action,
                None => future::pending().await,
            }
        };
        // `select!` picks at random, so a busy source cannot starve the rest.
        Work(tokio::select! {
            action = action => Kind::Action(action),
            update = self.watches.next() => Kind::Update(update),
            answers = self.searcher.next() => Kind::Answers(answers),
            question = self.questions.next() => Kind::Question(question),
            _ = self.check.tick() => Kind::Check,
            news = self.mirrors.next() => Kind::News(news),
            met = taking_over::next(&mut self.hand_over) => Kind::Met(met),
        })
    }

    /// Does a piece of work, to its end.
    ///
    /// # Errors
    /// A shard panicked.
    pub async fn perform(&mut self, work: Work) -> Result<()> {
        if let (Kind::Update(update), Some(memory)) = (&work.0, &mut self.memory) {
            memory.observe(update);
        }
        // Each closed gate asks all rules, so not after whatever happens.
        let opens = matches!(work.0, Kind::Check | Kind::Action(Action::Attach { .. }));
        match work.0 {
            Kind::Update(Update::Event(event)) => self.on_event(event),
            Kind::Update(Update::Endpoints(destination, endpoints)) => {
                let level = match endpoints.problem {
                    Some(_) => Level::Warn,
                    None => Level::Info,
                };
                log!(level, "{destination}: {endpoints}");
                self.mirrors
                    .set_addresses(destination, endpoints.addresses)
                    .await;
            }
            Kind::Update(Update::Portion(source, portion)) => {
                self.mirrors.set_portion(source, portion).await;
            }
            Kind::Update(Update::Documents(documents)) => {
                if let Err(error) = self.on_documents(documents) {
                    error!("{error:#}: the rule is not acted on");
                }
                self.change_rules().await;
            }
            Kind::Action(action) => self.act(action).await,
            Kind::Answers(events) => events.into_iter().for_each(|event| self.on_event(event)),
            Kind::Question(question) => question.answer(self).await,
            Kind::Check => {
                for event in self.mirrors.gone() {
                    self.on_event(event);
                }
                self.mirrors.say_portions(Instant::now());
                self.show().await;
                self.remember().await;
                self.mirrors.rest().await;
                if let Some(hand_over) = &mut self.hand_over {
                    hand_over.keep_door();
                }
            }
            Kind::News(News::Ended(ended)) => say(&ended),
            Kind::News(News::Broken(rule)) => self.on_broken(rule)?,
            Kind::Met(met) => self.on_met(met).await,
        }
        if opens {
            self.open_gates();
        }
        self.take_over().await;
        Ok(())
    }

    /// The books of the mirrors that have begun, by rule.
    ///
    /// # Errors
    /// Counters can't be read.
    pub async fn ledgers(&self) -> Result<Vec<(String, Ledger)>> {
        self.mirrors.ledgers().await
    }

    /// Detaches everywhere, and lets copies in flight end.
    pub async fn stop(mut self) -> Vec<Ended> {
        self.leave().await;
        drop(self.watches);
        drop(self.questions);
        let told = async {
            if let Some(telling) = self.telling {
                telling.end().await;
            }
        };
        futures::join!(self.mirrors.stop(), told).0
    }

    fn on_event(&mut self, event: Event) {
        let actions = self.state.on_event(event);
        self.actions.extend(actions);
    }

    /// A shard of a rule panicked. What a document asked for is stopped until it asks for something
    /// else: others' mirrors go on. Without the flags' mirror an agent is of no use.
    fn on_broken(&mut self, id: RuleId) -> Result<()> {
        let Some((rule, tenant)) = self.mirrors.name(id) else {
            return Ok(());
        };
        if tenant.is_none() {
            bail!("a shard of {rule} panicked (its message is above): detached");
        }
        error!(
            "a shard of {rule} panicked (its message is above): it is stopped until its document changes"
        );
        self.broken.insert(id, rule.to_owned());
        self.mirrors.remove(id);
        self.on_event(Event::RuleRemoved(id));
        Ok(())
    }

    async fn act(&mut self, action: Action) {
        match action {
            Action::Tell(news) => warn!("{news}"),
            Action::Find {
                pod,
                search,
                cgroup,
                ips,
                after,
            } => {
                let sought = Sought {
                    pod,
                    search,
                    cgroup,
                    ips,
                };
                self.searcher.ask(sought, after);
            }
            Action::Attach {
                rule,
                pod,
                search,
                name,
                sandbox,
                ports,
            } => {
                let to = ToAttach {
                    pod,
                    search,
                    name,
                    sandbox,
                    ports,
                };
                for event in self.mirrors.attach(rule, to).await {
                    self.on_event(event);
                }
            }
            Action::Detach { rule, pod } => self.mirrors.detach(rule, &pod).await,
        }
    }

    async fn change_rules(&mut self) {
        for (id, rule) in mem::take(&mut self.changed) {
            self.mirrors.change(id, &rule).await;
            info!("{}: goes on, to {}", rule.name, targets_of(&rule));
        }
    }

    /// Takes the documents that the cluster has now.
    ///
    /// # Errors
    /// A rule can't be used; the others are.
    fn on_documents(&mut self, documents: AllDocuments) -> Result<()> {
        let mut rules = self.fixed.clone();
        rules.extend(self.documents.rules(documents));
        let mut outcome = Ok(());
        for change in self.rules.replace(rules) {
            match change {
                RuleChange::Stop(id, name) => {
                    info!("{name}: the rule is gone, or has changed");
                    self.broken.remove(&id);
                    self.mirrors.remove(id);
                    self.on_event(Event::RuleRemoved(id));
                }
                RuleChange::Change(id, rule) => {
                    if let Some(broken) = self.broken.get_mut(&id) {
                        rule.name.clone_into(broken);
                    }
                    self.changed.push((id, rule));
                }
                RuleChange::Start(id, rule) => match self.mirrors.add(id, &rule) {
                    Ok(()) => {
                        if let Some(telling) = &mut self.telling {
                            telling.forget(&rule.name);
                        }
                        info!("{}: mirrored to {}", rule.name, targets_of(&rule));
                        self.on_event(Event::RuleApplied(id, rule.source));
                    }
                    Err(error) => {
                        self.rules.remove(&rule.name);
                        outcome = outcome.and(Err(error.context(rule.name)));
                    }
                },
            }
        }
        let needs = Needs {
            all_pods: self.gated.clone(),
            capped: self.mirrors.capped(self.rules.all()),
            ..Needs::of(self.rules.all(), self.watched.clone())
        };
        self.mirrors
            .retain_addresses(|known| needs.destinations.contains(known));
        self.mirrors.retain_portions(&needs.capped);
        self.watches.need(needs);
        outcome
    }
}

fn targets_of(rule: &Rule) -> String {
    let targets: Vec<_> = rule.targets.iter().map(ToString::to_string).collect();
    targets.join(" ")
}

fn say(Ended { rule, ledger }: &Ended) {
    match ledger {
        Ok(Some(ledger)) => info!("{rule} has ended: {}", ledger.summary()),
        Ok(None) => {}
        Err(error) => error!("{rule} has ended, and its ledger is lost: {error:#}"),
    }
}
