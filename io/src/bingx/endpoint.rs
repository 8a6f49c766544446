//! The REST calls the engine makes: method, path, and what the venue allows of each.

pinion_core::text_enum! {
    /// HTTP method.
    pub enum Method {
        /// Reads.
        Get => "GET",
        /// Creates.
        Post => "POST",
        /// Extends.
        Put => "PUT",
        /// Removes.
        Delete => "DELETE",
    }
}

pinion_core::text_enum! {
    /// Which of the venue's per-address counters a call belongs to.
    pub enum Group {
        /// Market data.
        Market => "market",
        /// The account.
        Account => "account",
    }
}

pinion_core::text_enum! {
    /// A call.
    pub enum Endpoint {
        /// The venue's clock.
        ServerTime => "server_time",
        /// Contracts.
        Contracts => "contracts",
        /// Balances.
        Balance => "balance",
        /// Positions.
        Positions => "positions",
        /// Open orders.
        OpenOrders => "open_orders",
        /// One order, in any state.
        Order => "order",
        /// Fills with their identities.
        FillHistory => "fill_history",
        /// Fee rates.
        CommissionRate => "commission_rate",
        /// Leverage of a symbol.
        Leverage => "leverage",
        /// Sets it.
        SetLeverage => "set_leverage",
        /// Margin type of a symbol.
        MarginType => "margin_type",
        /// Sets it.
        SetMarginType => "set_margin_type",
        /// Position mode of the account.
        PositionMode => "position_mode",
        /// Sets it.
        SetPositionMode => "set_position_mode",
        /// Places an order.
        Place => "place",
        /// Cancels an order.
        Cancel => "cancel",
        /// Cancels all orders of the account or of a symbol.
        CancelAll => "cancel_all",
        /// The dead-man timer.
        CancelAllAfter => "cancel_all_after",
        /// Makes a listen key.
        CreateListenKey => "create_listen_key",
        /// Keeps it alive.
        ExtendListenKey => "extend_listen_key",
        /// Ends it.
        DeleteListenKey => "delete_listen_key",
    }
}

impl Endpoint {
    /// Method, path, calls a second that the venue allows one account, counter.
    ///
    /// Where the venue's documents differ, the lower rate stands here.
    const fn row(self) -> (Method, &'static str, u32, Group) {
        use Group::{Account, Market};
        use Method::{Delete, Get, Post, Put};
        const LISTEN_KEY: &str = "/openApi/user/auth/userDataStream";
        match self {
            Self::ServerTime => (Get, "/openApi/swap/v2/server/time", 10, Market),
            Self::Contracts => (Get, "/openApi/swap/v2/quote/contracts", 10, Market),
            Self::Balance => (Get, "/openApi/swap/v3/user/balance", 5, Account),
            Self::Positions => (Get, "/openApi/swap/v2/user/positions", 5, Account),
            Self::OpenOrders => (Get, "/openApi/swap/v2/trade/openOrders", 5, Account),
            Self::Order => (Get, "/openApi/swap/v2/trade/order", 5, Account),
            Self::FillHistory => (Get, "/openApi/swap/v2/trade/fillHistory", 5, Account),
            Self::CommissionRate => (Get, "/openApi/swap/v2/user/commissionRate", 5, Account),
            Self::Leverage => (Get, "/openApi/swap/v2/trade/leverage", 5, Account),
            Self::SetLeverage => (Post, "/openApi/swap/v2/trade/leverage", 5, Account),
            Self::MarginType => (Get, "/openApi/swap/v2/trade/marginType", 2, Account),
            Self::SetMarginType => (Post, "/openApi/swap/v2/trade/marginType", 2, Account),
            Self::PositionMode => (Get, "/openApi/swap/v1/positionSide/dual", 2, Account),
            Self::SetPositionMode => (Post, "/openApi/swap/v1/positionSide/dual", 2, Account),
            Self::Place => (Post, "/openApi/swap/v2/trade/order", 10, Account),
            Self::Cancel => (Delete, "/openApi/swap/v2/trade/order", 5, Account),
            Self::CancelAll => (Delete, "/openApi/swap/v2/trade/allOpenOrders", 5, Account),
            Self::CancelAllAfter => (Post, "/openApi/swap/v2/trade/cancelAllAfter", 1, Account),
            Self::CreateListenKey => (Post, LISTEN_KEY, 2, Account),
            Self::ExtendListenKey => (Put, LISTEN_KEY, 2, Account),
            Self::DeleteListenKey => (Delete, LISTEN_KEY, 2, Account),
        }
    }

    /// Its HTTP method.
    #[must_use]
    pub const fn method(self) -> Method {
        self.row().0
    }

    /// Its path.
    #[must_use]
    pub const fn path(self) -> &'static str {
        self.row().1
    }

    /// Calls a second that the venue allows one account.
    #[must_use]
    pub const fn per_second(self) -> u32 {
        self.row().2
    }

    /// The per-address counter it belongs to.
    #[must_use]
    pub const fn group(self) -> Group {
        self.row().3
    }

    /// True for calls without a key and a signature.
    #[must_use]
    pub const fn is_public(self) -> bool {
        matches!(self.group(), Group::Market)
    }

    /// True when a lost answer leaves it unknown whether something happened at the venue.
    #[must_use]
    pub const fn is_write(self) -> bool {
        !matches!(self.method(), Method::Get)
    }
}
