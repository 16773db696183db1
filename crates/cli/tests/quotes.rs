//! Nothing of a quote is believed that can be checked; and what is asked and answered over HTTP is what was agreed.

use margrave::state::InstrumentKind;
use margrave_cli::{
    market::{Market, Order},
    quote_server::{QuoteMessage, QuoteServer, check, limits, priced_leg, quote_request},
};
use margrave_client::{Pubkey, Quote, SignedQuote};
use margrave_sim::{Trader, World};
use serde_json::{Value, json};
use solana_signer::Signer;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    thread,
};

const DOLLAR: u64 = 1_000_000;
const PRICE: i64 = 350_000_000_000;
const DOLLARS: i64 = 10_000_000_000;

struct Desk {
    world: World,
    taker: Trader,
    maker: Trader,
}

impl Desk {
    fn open() -> Self {
        let mut world = World::with_market(PRICE).unwrap();
        let maker = world.funded("maker", 1_000_000 * DOLLAR, 0);
        let taker = world.funded("taker", 50_000 * DOLLAR, 0);
        world.list_expiry(world.sol, 30, 80, &[40 * DOLLARS]).unwrap();
        world.set_price(PRICE).unwrap();
        Self { world, taker, maker }
    }

    fn market(&self) -> Market {
        Market::new(self.world.group, self.world.accounts(), self.world.now(), 0).unwrap()
    }

    fn orders(&self, legs: &[&str]) -> Vec<Order> {
        legs.iter().map(|text| self.market().order(text).unwrap()).collect()
    }

    /// What an honest maker answers.
    fn honest(&self, legs: &[&str]) -> Quote {
        let market = self.market();
        Quote {
            group: self.world.group,
            maker: self.maker.margin_account,
            quotes_since: self.world.account(&self.maker).quotes_since,
            taker: self.taker.margin_account,
            expires_at: self.world.now() + 30,
            nonce: 1,
            units: 10,
            legs: legs.iter().map(|text| priced_leg(&market, text).unwrap().1).collect(),
        }
    }
}

const ASKED: [&str; 2] = ["SOL-PERP:+1.5", "SOL-20221206-C-40:-3"];
const UNIT: [&str; 2] = ["SOL-PERP:+0.5@35.1", "SOL-20221206-C-40:-1@1.4"];

#[test]
fn an_honest_quote_is_accepted_and_fills_on_chain() {
    let mut desk = Desk::open();
    let orders = desk.orders(&ASKED);
    let signed = SignedQuote::sign(desk.honest(&UNIT), &desk.maker.keypair);
    let limits = limits(&["SOL-PERP=35.1".to_owned(), "sol-20221206-c-40=1.4".to_owned()], &orders).unwrap();
    let checked = check(&desk.market(), signed.clone(), &desk.taker.margin_account, &orders, &limits).unwrap();
    assert_eq!(checked.units, 3);
    assert_eq!(checked.option_premium.to_string(), "-4.2");
    assert_eq!(checked.legs[0].quantity.to_string(), "1.5");
    assert_eq!(checked.quote.underlyings, [desk.world.sol; 2]);
    let fill = desk.world.fill_instructions(&desk.taker, &desk.maker, &checked.quote.signed, checked.units);
    desk.world.send(&fill, &[&desk.taker.keypair]).unwrap();
    let quantities = desk.world.account(&desk.taker).positions.map(|position| position.quantity);
    assert_eq!(quantities[..2], [1_500_000_000, -3_000_000_000]);
}

#[test]
fn a_dishonest_quote_is_refused_for_what_is_wrong_with_it() {
    let desk = Desk::open();
    let orders = desk.orders(&ASKED);
    type Twist = fn(&Desk, &mut Quote);
    let twists: [(&str, Twist); 12] = [
        ("is for group", |_, quote| quote.group = Pubkey::new_unique()),
        ("is for the account", |_, quote| quote.taker = Pubkey::new_unique()),
        ("expired 1 s ago", |desk, quote| quote.expires_at = desk.world.now() - 1),
        ("the quote's maker", |_, quote| quote.maker = Pubkey::new_unique()),
        ("opened or liquidated since", |_, quote| quote.quotes_since -= 1),
        ("may not trade for", |desk, quote| {
            quote.maker = desk.taker.margin_account;
            quote.quotes_since = desk.world.account(&desk.taker).quotes_since;
        }),
        ("1 legs, 2 were asked for", |_, quote| quote.legs.truncate(1)),
        ("the quote's leg is SOL-20221206-P-40", |_, quote| quote.legs[1].instrument.kind = InstrumentKind::Put),
        ("no whole number", |_, quote| quote.legs[0].quantity = 400_000_000),
        ("no whole number", |_, quote| quote.legs[0].quantity = -500_000_000),
        ("not in the proportion", |_, quote| quote.legs[0].quantity = 250_000_000),
        ("offers 2 units", |_, quote| quote.units = 2),
    ];
    for (expected, twist) in twists {
        let mut quote = desk.honest(&UNIT);
        twist(&desk, &mut quote);
        let signed = SignedQuote::sign(quote, &desk.maker.keypair);
        let refused = check(&desk.market(), signed, &desk.taker.margin_account, &orders, &Default::default());
        let error = format!("{:#}", refused.expect_err(expected));
        assert!(error.contains(expected), "{expected}: {error}");
    }
    for (limit, expected) in [
        ("SOL-PERP=35.0999", "above the limit to buy at most at 35.0999"),
        ("SOL-20221206-C-40=1.4001", "below the limit to sell at least at 1.4001"),
    ] {
        let signed = SignedQuote::sign(desk.honest(&UNIT), &desk.maker.keypair);
        let limits = limits(&[limit.to_owned()], &orders).unwrap();
        let refused = check(&desk.market(), signed, &desk.taker.margin_account, &orders, &limits);
        let error = refused.expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_changed_byte_is_no_signature() {
    let desk = Desk::open();
    let signed = SignedQuote::sign(desk.honest(&UNIT), &desk.maker.keypair);
    let message = QuoteMessage::from(&signed);
    assert_eq!(message.verified().unwrap(), signed);
    let mut cheaper = signed.quote.clone();
    cheaper.legs[0].price -= 1;
    let forged = QuoteMessage::from(&SignedQuote { quote: cheaper, ..signed.clone() });
    assert!(forged.verified().unwrap_err().to_string().contains("not its signer's"));
    for (broken, expected) in [
        (QuoteMessage { message: "%".to_owned(), ..message.clone() }, "not base64"),
        (QuoteMessage { signer: "x".to_owned(), ..message.clone() }, "not an address"),
        (QuoteMessage { signature: "x".to_owned(), ..message.clone() }, "not base58"),
        (QuoteMessage { message: "AAAA".to_owned(), ..message }, "NotAQuote"),
    ] {
        assert!(broken.verified().unwrap_err().to_string().contains(expected), "{expected}");
    }
}

#[test]
fn limits_are_of_what_is_ordered() {
    let desk = Desk::open();
    let (one, two) = (desk.orders(&["SOL-PERP:1"]), desk.orders(&ASKED));
    assert_eq!(limits(&["35.2".to_owned()], &one).unwrap()["SOL-PERP"], 352_000_000_000);
    for (text, orders, expected) in [
        ("35.2", &two, "NAME=PRICE"),
        ("ETH-PERP=1", &two, "nothing that is ordered"),
        ("SOL-PERP=dear", &two, "not a decimal number"),
    ] {
        let error = limits(&[text.to_owned()], orders).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// Answers each request with what `answer` makes of its path and body.
fn server(count: usize, answer: impl Fn(&str, Value) -> (u16, Value) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().take(count) {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut first, mut length) = (String::new(), 0);
            reader.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let path = first.split(' ').nth(1).unwrap();
            let (status, answer) = answer(path, serde_json::from_slice(&body).unwrap_or(Value::Null));
            let answer = answer.to_string();
            let head = format!("HTTP/1.1 {status} .\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", answer.len());
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    url
}

#[tokio::test]
async fn a_server_is_asked_and_answers_as_agreed() {
    let desk = Desk::open();
    let orders = desk.orders(&ASKED);
    let (taker, sol) = (desk.taker.margin_account, desk.world.sol);
    let call = orders[1].instrument;
    let expected = json!({
        "taker": taker.to_string(),
        "legs": [
            { "underlying": sol.to_string(), "quantity": "1500000000",
              "instrument": { "kind": "perp", "expiry": 0, "strike": 0, "series": 0 } },
            { "underlying": sol.to_string(), "quantity": "-3000000000",
              "instrument": { "kind": "call", "expiry": call.expiry, "strike": call.strike, "series": call.series } },
        ],
    });
    assert_eq!(quote_request(&taker, &orders), expected);

    let signed = SignedQuote::sign(desk.honest(&UNIT), &desk.maker.keypair);
    let message = serde_json::to_value(QuoteMessage::from(&signed)).unwrap();
    let url = server(5, move |path, body| match path {
        "/info" => {
            (200, json!({ "rpc": "x", "group": "y", "banks": [{ "symbol": "USDC", "mint": "z", "decimals": 6 }] }))
        }
        "/quote" if body == expected => (200, message.clone()),
        "/quote" => (422, json!({ "error": "nothing is quoted for that" })),
        "/faucet" => (200, json!({ "signatures": ["s"] })),
        "/price" => (200, body),
        _ => (404, json!({})),
    });
    let server = QuoteServer::new(&format!("{url}/")).unwrap();
    assert_eq!(server.info().await.unwrap().banks[0].symbol, "USDC");
    assert_eq!(server.quote(&taker, &orders).await.unwrap(), signed);
    let declined = server.quote(&taker, &orders[..1]).await.unwrap_err().to_string();
    assert!(declined.contains("declined (422") && declined.ends_with("nothing is quoted for that"), "{declined}");
    assert_eq!(server.faucet(&desk.taker.key()).await.unwrap()["signatures"], json!(["s"]));
    assert_eq!(server.shock("SOL", -300_000).await.unwrap(), json!({ "symbol": "SOL", "changePpm": -300_000 }));
    let gone = QuoteServer::new("http://127.0.0.1:1").unwrap();
    assert!(gone.info().await.is_none());
    let error = gone.faucet(&desk.taker.keypair.pubkey()).await.unwrap_err().to_string();
    assert!(error.contains("is the quote server running?"), "{error}");
}
