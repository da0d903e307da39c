//! What a person does with sales, registers and counts: no API calls.

use super::RSeriesSandbox;
use super::cell::second;
use super::nouns::SaleView;
use super::sale::Sale;
use super::stock::Cause;

impl RSeriesSandbox {
    /// All sales, in the order in which they were rung up.
    pub fn sales(&self) -> Vec<SaleView> {
        self.inner.look(|state| {
            let view = |(id, sale): (&i64, &Sale)| SaleView {
                sale_id: *id,
                shop_id: sale.shop_id,
                reference_number: sale.reference.clone(),
                completed: sale.completed,
                archived: sale.archived,
                voided: sale.voided,
                lines: sale.lines.iter().map(|line| (line.item_id, line.quantity, line.price)).collect(),
                total: sale.total(),
                paid: sale.paid(),
            };
            state.sales.iter().map(view).collect()
        })
    }

    /// A person completes an open sale at the till.
    pub fn complete_sale(&self, sale_id: i64) {
        self.inner.change(|state, now| {
            let Some(mut sale) = state.sales.get(&sale_id).cloned().filter(|sale| !sale.completed) else {
                return;
            };
            sale.payments = vec![(1, sale.total())];
            sale.time_stamp = second(now);
            state.keep_sale(now, sale_id, sale, true);
        });
    }

    /// A person throws an open sale away.
    pub fn discard_sale(&self, sale_id: i64) {
        // A completed sale cannot be thrown away: nothing to say.
        let _ = self.inner.change(|state, now| state.delete_sale(now, sale_id));
    }

    /// Takes a completed sale back: its pieces return to the shelf.
    pub fn void_sale(&self, sale_id: i64) {
        self.inner.change(|state, now| {
            let Some(sale) = state.sales.get_mut(&sale_id).filter(|sale| sale.completed && !sale.voided)
            else {
                return;
            };
            sale.voided = true;
            sale.time_stamp = second(now);
            let (shop_id, lines) = (sale.shop_id, sale.lines.clone());
            let cause = Cause { reason: "PutBackForTransaction", automated: true, sale_id, order_id: 0 };
            for line in lines {
                let qoh = state.qoh(line.item_id, shop_id).saturating_add(line.quantity);
                state.set_known_qoh(now, line.item_id, shop_id, qoh, cause);
            }
        });
    }

    /// Opens or closes every register of a shop.
    pub fn set_registers_open(&self, shop_id: i64, open: bool) {
        self.inner.look(|state| {
            for register in state.registers.values_mut().filter(|register| register.shop_id == shop_id) {
                register.open = open;
            }
        });
    }

    /// Takes every register of a shop away.
    pub fn remove_registers(&self, shop_id: i64) {
        self.inner.look(|state| state.registers.retain(|_, register| register.shop_id != shop_id));
    }

    /// Takes a payment type away, by its name.
    pub fn remove_payment_type(&self, name: &str) {
        self.inner.look(|state| state.payment_types.retain(|_, known| known != name));
    }

    /// A person counts the shelf and sets what is there.
    pub fn recount(&self, item_id: i64, shop_id: i64, quantity: i64) {
        self.inner.change(|state, now| state.set_known_qoh(now, item_id, shop_id, quantity, Cause::MANUAL));
    }

    /// The count shows another number without a word in the log: a fault of the platform, not an event.
    pub fn glitch(&self, item_id: i64, shop_id: i64, quantity: i64) {
        self.inner.change(|state, now| {
            let before: Vec<i64> = state.log.keys().copied().collect();
            state.set_known_qoh(now, item_id, shop_id, quantity, Cause::MANUAL);
            state.log.retain(|id, _| before.contains(id));
        });
    }
}
