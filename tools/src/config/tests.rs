use super::*;
use pinion_core::settings::VolMode;
use pinion_core::units::{Money, Rate};

fn file(text: &str) -> FileText {
    FileText { file: String::from("a.toml"), text: text.to_owned() }
}

fn of_file(text: &str) -> Result<Loaded, Problems> {
    stack(None, Some(&file(text)), [], &[])
}

fn problems(text: &str) -> Vec<String> {
    of_file(text).map_or_else(
        |problems| problems.0.iter().map(|p| first_line(&p.to_string())).collect(),
        |_| Vec::new(),
    )
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn sets(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

#[test]
fn nothing_given_is_the_defaults() {
    let loaded = stack(None, None, [], &[]).expect("defaults are valid");
    assert_eq!(loaded.settings, Settings::default());
    assert!(loaded.origins.iter().all(|place| *place == Place::Default));
}

#[test]
fn a_higher_layer_replaces_a_lower_one_key_by_key() {
    let file = file("signal.scan_ns = 2_000_000\nsignal.stale_ns = 3_000_000\nexit.tp_bps = 7");
    let env = [
        (String::from("PINION__SIGNAL__STALE_NS"), String::from("4000000")),
        (String::from("PINION__EXIT__TP_BPS"), String::from("8")),
        (String::from("PINION_OTHER"), String::from("not ours")),
    ];
    let loaded = stack(None, Some(&file), env, &sets(&["exit.tp_bps = 9"])).expect("valid");
    assert_eq!(loaded.settings.signal_scan_ns, 2_000_000);
    assert_eq!(loaded.settings.signal_stale_ns, 4_000_000);
    assert_eq!(loaded.settings.exit_tp_bps.to_string(), "9");
    let origin = |name| loaded.origin(name).to_string();
    assert_eq!(origin("signal.scan_ns"), "a.toml:1:18");
    assert_eq!(origin("signal.stale_ns"), "environment PINION__SIGNAL__STALE_NS");
    assert_eq!(origin("exit.tp_bps"), "--set");
    assert_eq!(origin("exit.sl_bps"), "default");
}

#[test]
fn the_other_names_of_a_key_work_in_every_layer() {
    let text = "replace_rate_per_min = 90\nmin_interval_ms = 50\ntail_age_ms = 400\nDOLPHIN_PINK_EXEC_STYLE = 'maker'";
    let env = [(String::from("PINION__TAIL_AGE_MS"), String::from("500"))];
    let loaded =
        stack(None, Some(&file(text)), env, &sets(&["MIN_INTERVAL_MS=60"])).expect("valid");
    let settings = &loaded.settings;
    assert_eq!((settings.router_min_interval_ms, settings.router_tail_age_ms), (60, 500));
    assert_eq!(settings.router_style.as_str(), "maker");
    assert_eq!(loaded.origin("router.min_interval_ms").to_string(), "--set");
}

#[test]
fn nested_tables_dotted_keys_and_quoted_names_are_one() {
    let hash = |text: &str| of_file(text).expect("valid").config_hash;
    let nested = hash("[signal]\nscan_ns = 2_000_000\n[account]\ntaker_rate = '0.001'");
    assert_eq!(hash("account.taker_rate = 0.001\nsignal.scan_ns = 0x1e8480"), nested);
    assert_eq!(hash("'account.taker_rate' = '0.00100'\nsignal = {scan_ns=+2000000}"), nested);
    assert_ne!(hash(""), nested);
}

#[test]
fn every_type_is_read() {
    let loaded = of_file(
        "engine.layout_fallback = false\nengine.cores = [3, 1]\nexit.legs = [0.5, 0.5]\n\
         picker.excluded = ['btc-usdt', 'ETH/USDT']\nsignal.vol_mode = 'static'\n\
         signal.anchor = 'eth-usdt'\naccount.starting_capital = 1000\nexit.tp_bps = 12",
    )
    .expect("valid");
    let settings = loaded.settings;
    assert!(!settings.engine_layout_fallback);
    assert_eq!(settings.engine_cores, [3, 1]);
    assert_eq!(settings.exit_legs, [0.5, 0.5]);
    let excluded: Vec<&str> = settings.picker_excluded.iter().map(|id| id.as_str()).collect();
    assert_eq!(excluded, ["BTCUSDT", "ETHUSDT"]);
    assert_eq!(settings.signal_vol_mode, VolMode::Static);
    assert_eq!(settings.signal_anchor.as_str(), "ETHUSDT");
    assert_eq!(settings.account_starting_capital, Money::from_whole(1_000));
}

#[test]
fn decimals_are_taken_digit_by_digit() {
    // 0.1 + 0.2 and many others would differ in the last digit through a float.
    let text = "account.starting_capital = 123456789.12345678\naccount.maker_rate = +0.0001";
    let settings = of_file(text).expect("valid").settings;
    assert_eq!(settings.account_starting_capital, Money::from_raw(12_345_678_912_345_678));
    assert_eq!(settings.account_maker_rate, Rate::from_raw(10_000));
    assert_eq!(
        problems("account.maker_rate = 1e-4"),
        ["a.toml:1:22: account.maker_rate is 1e-4, expected a plain decimal like -12.5 (no \
          exponent, no NaN or inf, no spaces)"]
    );
    assert_eq!(
        problems("account.maker_rate = 0.000000001"),
        ["a.toml:1:22: account.maker_rate is 0.000000001, expected at most 8 decimals"]
    );
    assert_eq!(problems("account.maker_rate = nan").len(), 1);
}

#[test]
fn every_problem_is_told_with_its_place() {
    let found = problems(
        "[signal]\nscan_ns = \"fast\"\nstale_ns = 1.5\nscan_nss = 1\nvol_quantile = nan\n\
         [engine]\nlayout = 'inlin'\nseed = 99999999999999999999\nidle = 3\ncores = 1\n\
         [exit]\nlegs = [0.5, 'x']\ntp_bps = 0\n[picker]\nexcluded = ['A', 'a']\n\
         [nothing]\n[data]\nmin_notional = true\nbackstep_ns_max = {}\n",
    );
    let expected = [
        "a.toml:2:11: signal.scan_ns is \"fast\", expected a whole number from 1000000 to \
         86400000000000; write it without quotes",
        "a.toml:3:12: signal.stale_ns is 1.5, expected a whole number from 1000000 to \
         86400000000000; write it without a point",
        "a.toml:4:1: signal.scan_nss is unknown, expected a known key; did you mean \
         `signal.scan_ns`?",
        "a.toml:5:16: signal.vol_quantile is nan, expected a number from 0 to 1",
        "a.toml:7:10: engine.layout is 'inlin', expected one of inline, shared, dedicated",
        "a.toml:8:8: engine.seed is 99999999999999999999, expected a whole number from 0 to \
         9223372036854775807",
        "a.toml:9:8: engine.idle is 3, expected one of spin, spin_pause, yield, backoff; write \
         a text in quotes",
        "a.toml:10:9: engine.cores is 1, expected a list of different core numbers; write a \
         list in brackets: [a, b]",
        "a.toml:12:8: exit.legs is [0.5, 'x'], expected one to eight fractions above 0 that sum \
         to 1",
        "a.toml:13:10: exit.tp_bps is 0, expected a number from 1 to 10000",
        "a.toml:15:12: picker.excluded is ['A', 'a'], expected a list of at most 40 different \
         symbols",
        "a.toml:16:2: nothing is unknown, expected a known key; `pinion config keys` lists them \
         all",
        "a.toml:18:16: data.min_notional is true, expected a decimal from 0 to 1000000000",
        "a.toml:19:19: data.backstep_ns_max is a table, expected a whole number from 0 to \
         86400000000000",
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_line_is_quoted_with_a_mark() {
    let error = of_file("[exit]\ntp_bps = 0 # none\n").expect_err("below the range");
    assert_eq!(
        error.to_string(),
        "a.toml:2:10: exit.tp_bps is 0, expected a number from 1 to 10000\n  \
         2 | tp_bps = 0 # none\n    \
           |          ^\n1 problem in the configuration; nothing was applied"
    );
}

#[test]
fn syntax_faults_have_line_and_mark() {
    let error = of_file("[exit]\ntp_bps = \nsl_bps = 'x\n").expect_err("no TOML");
    assert_eq!(error.0.len(), 2, "{error}");
    let text = error.to_string();
    assert!(text.contains("a.toml:2:10: "), "{text}");
    assert!(text.contains("  2 | tp_bps = \n    |          ^"), "{text}");
    assert!(text.contains("a.toml:3:"), "{text}");
}

#[test]
fn a_key_given_twice_is_refused_in_any_spelling() {
    for text in [
        "[exit]\ntp_bps = 5\ntp_bps = 6",
        "exit.tp_bps = 5\nexit.tp_bps = 6",
        "'exit.tp_bps' = 5\n[exit]\ntp_bps = 6",
        "[instrument.BTCUSDT]\nlot = 1\n[instrument.btc-usdt]\nlot = 1",
        "min_interval_ms = 50\n[router]\nmin_interval_ms = 60",
    ] {
        let found = problems(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].contains("it once"), "{found:?}");
    }
    let error =
        stack(None, None, [], &sets(&["exit.tp_bps=5", "exit.tp_bps=6"])).expect_err("twice");
    assert!(error.to_string().contains("exit.tp_bps is given twice"), "{error}");
}

#[test]
fn a_duplicate_does_not_hide_other_problems() {
    assert_eq!(problems("exit.tp_bps = 5\nexit.tp_bps = 6\nexit.sl_bps = 0").len(), 2);
}

#[test]
fn contradictions_are_placed_where_one_of_the_two_was_given() {
    let found = problems("signal.scan_ns = 61_000_000_000");
    assert_eq!(
        found,
        ["a.toml:1:18: signal.stale_ns is 60000000000, expected at least signal.scan_ns, or \
          every asset is stale at every scan (it is 61000000000)"]
    );
    // A key that is wrong itself is not also said to contradict another.
    assert_eq!(problems("signal.vol_window = 1\nsignal.vol_samples_min = 5000").len(), 1);
}

#[test]
fn environment_and_command_line_are_checked_alike() {
    let env = [
        (String::from("PINION__SIGNAL__SCAN_NSS"), String::from("1")),
        (String::from("PINION__EXIT__TP_BPS"), String::new()),
    ];
    let error =
        stack(None, None, env, &sets(&["exit.legs=0.5", "seed", "x=1"])).expect_err("wrong");
    let lines: Vec<String> = error.0.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "environment PINION__EXIT__TP_BPS: exit.tp_bps is empty, expected a number from 1 to \
             10000",
            "environment PINION__SIGNAL__SCAN_NSS: signal.scan_nss is unknown, expected a known \
             key; did you mean `PINION__SIGNAL__SCAN_NS`?",
            "--set: exit.legs is 0.5, expected one to eight fractions above 0 that sum to 1",
            "--set: `seed`, expected KEY=VALUE",
            "--set: x is unknown, expected a known key; `pinion config keys` lists them all",
        ]
    );
}

#[test]
fn instruments_are_overridden_by_any_spelling_of_the_symbol() {
    let file = file(
        "[instrument.btc-usdt]\ntick = \"0.1\"\nlot = 0.001\n[instrument.\"FET/USDT\"]\n\
         min_notional = 5\ntradable = false\n",
    );
    let loaded = stack(None, Some(&file), [], &sets(&["instrument.FETUSDT.lot=1"])).expect("valid");
    let texts: Vec<String> = loaded
        .instruments
        .iter()
        .flat_map(|row| {
            instrument::fields(row).map(move |(name, text)| format!("{}.{name}={text}", row.symbol))
        })
        .collect();
    assert_eq!(
        texts,
        [
            "BTCUSDT.tick=0.1",
            "BTCUSDT.lot=0.001",
            "FETUSDT.lot=1",
            "FETUSDT.min_notional=5",
            "FETUSDT.tradable=false"
        ]
    );
}

#[test]
fn wrong_overrides_are_told() {
    let found = problems(
        "instrument.X = 3\n[instrument.BTCUSDT]\ntick = 0\ntck = 1\ntradable = 'no'\n\
         [instrument.\"\"]\nlot = 1",
    );
    assert_eq!(
        found,
        [
            "a.toml:1:12: instrument.X is a value, expected a section: [instrument.X]",
            "a.toml:3:8: instrument.BTCUSDT.tick is 0, expected a decimal from 0.00000001 to \
             92233720368.54775807",
            "a.toml:4:1: instrument.BTCUSDT.tck is unknown, expected a known key; write \
             [instrument.SYMBOL] with any of tick, lot, min_notional, tradable, listed_ns",
            "a.toml:5:12: instrument.BTCUSDT.tradable is 'no', expected true or false; write it \
             without quotes",
            "a.toml:7:1: instrument..lot is unknown, expected a known key; write \
             [instrument.SYMBOL] with any of tick, lot, min_notional, tradable, listed_ns",
        ]
    );
}

#[test]
fn a_secret_never_reaches_a_message() {
    let file = file("[bingx]\napi_key = \"hush\"\nsecret = hush\n");
    let error =
        stack(None, Some(&file), [], &sets(&["bingx.token=hush"])).expect_err("no such keys");
    assert!(!error.to_string().contains("hush"), "{error}");
    assert!(!error.to_json().to_string().contains("hush"), "{error}");
}

#[test]
fn what_show_prints_as_toml_loads_to_the_same() {
    let text = "engine.cores = [1, 2]\nexit.legs = [0.25, 0.75]\npicker.excluded = ['A\"B']\n\
                account.maker_rate = '-0.00001'\n[instrument.BTCUSDT]\ntick = 0.1\ntradable = true";
    let loaded = of_file(text).expect("valid");
    for changed_only in [false, true] {
        let printed = view::show_toml(&loaded, changed_only);
        let again = of_file(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
        assert_eq!(again.config_hash, loaded.config_hash, "{printed}");
    }
}

#[test]
fn a_profile_lies_under_the_file_and_every_one_is_sound() {
    for (name, _) in PROFILES {
        let loaded = stack(Some(name), None, [], &[]).expect("sound");
        assert_eq!((loaded.settings.signal_assets_min, loaded.settings.picker_assets_min), (2, 2));
        assert_eq!(loaded.origin("signal.scan_ns").to_string(), format!("profile {name}:4:11"));
    }
    let scan = |file: &str| {
        let file = self::file(file);
        stack(Some("very-short"), Some(&file), [], &[]).expect("sound").settings.signal_scan_ns
    };
    assert_eq!((scan(""), scan("signal.scan_ns = 200_000_000")), (100_000_000, 200_000_000));
}

#[test]
fn keys_of_another_system_that_mean_nothing_here_are_accepted_and_told() {
    let text = "WATCHLIST_MAX_TOKENS = 30\n[V2_SOURCE_QOS_SOURCE_CAPS]\nonchain = 140\n";
    let loaded = of_file(text).expect("accepted");
    assert_eq!(loaded.settings, Settings::default());
    assert_eq!(loaded.notices.len(), 2, "{:?}", loaded.notices);
    for start in [
        "a.toml:1:1: WATCHLIST_MAX_TOKENS has no meaning for perpetuals: ",
        "a.toml:2:2: V2_SOURCE_QOS_SOURCE_CAPS has no meaning for perpetuals: ",
    ] {
        assert!(loaded.notices.iter().any(|told| told.starts_with(start)), "{:?}", loaded.notices);
    }
    assert!(of_file("WATCHLIST_MOST_TOKENS = 30\n").is_err());
}
