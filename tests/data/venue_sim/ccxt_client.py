"""A client by others against the venue simulator: ccxt as it is, its addresses pointed elsewhere.

Arguments: the line that `pinion venue-sim` prints, as JSON. Prints one JSON object; fails with a
traceback where the simulator is not understood.
"""

import asyncio
import json
import os
import sys

PLACE = json.loads(sys.argv[1])
SYMBOL = "BTC/USDT:USDT"
if PLACE["ca_file"]:
    os.environ["REQUESTS_CA_BUNDLE"] = PLACE["ca_file"]

import ccxt  # noqa: E402
import ccxt.pro  # noqa: E402


def client(make, account, **config):
    """An exchange object whose every address is the simulator's."""
    exchange = make({
        "apiKey": account["key"],
        "secret": account["secret"],
        "options": {"defaultType": "swap"},
        **config,
    })
    for name in exchange.urls["api"]:
        if name != "ws":
            exchange.urls["api"][name] = PLACE["rest"] + "/openApi"
    return exchange


def by_call():
    """Everything that a bot asks for by call."""
    b = client(ccxt.bingx, PLACE["accounts"][0], requests_trust_env=True)
    told = {"version": ccxt.__version__}
    markets = b.load_markets()
    told["markets"] = len(markets)
    told["tick"] = markets[SYMBOL]["precision"]["price"]
    told["skew_ms"] = abs(b.fetch_time() - b.milliseconds())
    told["balance"] = b.fetch_balance()["USDT"]["total"]
    assert b.fetch_positions() == []
    ticker = b.fetch_ticker(SYMBOL)
    assert ticker["bid"] < ticker["ask"], ticker
    book = b.fetch_order_book(SYMBOL, 5)
    assert book["bids"][0][0] < book["asks"][0][0], book
    assert len(b.fetch_ohlcv(SYMBOL)) > 10 and len(b.fetch_trades(SYMBOL)) > 10
    assert b.fetch_funding_rate(SYMBOL)["fundingRate"] is not None
    assert b.fetch_trading_fee(SYMBOL)["taker"] == 0.0005
    b.set_margin_mode("cross", SYMBOL)
    assert b.fetch_margin_mode(SYMBOL)["marginMode"] == "cross"

    assert b.fetch_position_mode(SYMBOL)["hedged"]
    b.set_position_mode(False)
    assert not b.fetch_position_mode(SYMBOL)["hedged"]
    b.set_leverage(10, SYMBOL, {"side": "BOTH"})
    assert b.fetch_leverage(SYMBOL)["longLeverage"] == 10

    bought = b.create_order(SYMBOL, "market", "buy", 0.02)
    assert (bought["status"], bought["filled"]) == ("closed", 0.02), bought
    position = b.fetch_positions([SYMBOL])[0]
    assert (position["side"], position["contracts"]) == ("long", 0.02), position
    assert position["leverage"] == 10, position

    price = b.price_to_precision(SYMBOL, ticker["bid"] * 0.9)
    resting = b.create_order(
        SYMBOL, "limit", "buy", 0.01, float(price), {"clientOrderId": "By-Others-1"}
    )
    assert resting["status"] == "open", resting
    same = b.fetch_order(resting["id"], SYMBOL)
    assert (same["clientOrderId"], same["price"]) == ("by-others-1", float(price)), same
    assert [o["id"] for o in b.fetch_open_orders(SYMBOL)] == [resting["id"]]
    assert b.cancel_order(resting["id"], SYMBOL)["status"] == "canceled"
    try:
        b.cancel_order(resting["id"], SYMBOL)
        raise AssertionError("a cancelled order was cancelled again")
    except ccxt.ExchangeError:
        pass
    for _ in range(2):
        b.create_order(SYMBOL, "limit", "buy", 0.01, float(price), {"postOnly": True})
    b.cancel_all_orders(SYMBOL)
    assert b.fetch_open_orders(SYMBOL) == []
    try:
        b.create_order(SYMBOL, "limit", "buy", 100_000, float(price))
        raise AssertionError("an order beyond the margin was taken")
    except ccxt.InsufficientFunds:
        pass

    sold = b.create_order(SYMBOL, "market", "sell", 0.02, None, {"reduceOnly": True})
    assert sold["status"] == "closed", sold
    assert b.fetch_positions([SYMBOL]) == []
    orders = b.fetch_orders(SYMBOL)
    told["orders"] = sorted(o["status"] for o in orders)
    trades = b.fetch_my_trades(SYMBOL, params={"tradingUnit": "COIN"})
    told["trades"] = [(t["order"], t["amount"], t["price"], t["fee"]["cost"]) for t in trades]
    assert {t[0] for t in told["trades"]} == {bought["id"], sold["id"]}
    told["end"] = b.fetch_balance()["USDT"]["total"]
    return told


async def by_stream():
    """What a bot listens to."""
    b = client(ccxt.pro.bingx, PLACE["accounts"][1], cafile=PLACE["ca_file"])
    # ccxt tells spot from perpetuals by the address, so the others must differ.
    b.urls["api"]["ws"] = {"linear": PLACE["ws"], "spot": PLACE["ws"] + "/spot"}
    told = {}
    try:
        await b.load_markets()
        await b.set_position_mode(False)
        ticker = await b.watch_ticker(SYMBOL)
        assert ticker["bid"] < ticker["ask"], ticker
        book = await b.watch_order_book(SYMBOL)
        assert book["bids"][0][0] < book["asks"][0][0], book
        # Balances first: ccxt takes its snapshot with the first subscription of the account.
        balance = asyncio.ensure_future(b.watch_balance())
        await asyncio.sleep(1.5)
        watched = asyncio.ensure_future(b.watch_orders(SYMBOL))
        await asyncio.sleep(0.5)
        placed = await b.create_order(SYMBOL, "market", "buy", 0.01)
        orders = await asyncio.wait_for(watched, 10)
        while orders[-1]["status"] != "closed":
            orders = await asyncio.wait_for(b.watch_orders(SYMBOL), 10)
        assert orders[-1]["id"] == placed["id"], orders
        told["order"] = [orders[-1]["filled"], orders[-1]["average"]]
        balance = await asyncio.wait_for(balance, 10)
        told["balance"] = balance["USDT"]["free"]
        kept = await b.fetch_balance()
        told["wallet"] = kept["USDT"]["total"]
    finally:
        await b.close()
    return told


print(json.dumps({"call": by_call(), "stream": asyncio.run(by_stream())}))
