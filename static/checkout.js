// Opens Razorpay's Checkout over this page. Without it, or where its script was blocked, the form leads to its page.
(() => {
  const form = document.getElementById("checkout");
  if (!form || !window.Razorpay) return;
  const asked = Object.fromEntries(new FormData(form));
  const until = Date.now() + Number(form.dataset.seconds) * 1000;
  const leave = () => location.replace(form.dataset.back);

  // The receipt goes the same way as it does without scripts: by a POST of the browser.
  function bring(receipt) {
    const back = document.createElement("form");
    back.method = "post";
    back.action = form.dataset.back;
    for (const [name, value] of Object.entries(receipt)) {
      const field = document.createElement("input");
      field.type = "hidden";
      field.name = name;
      field.value = value;
      back.append(field);
    }
    document.body.append(back);
    back.submit();
  }

  function open() {
    const seconds = Math.floor((until - Date.now()) / 1000);
    if (seconds <= 0) return leave();
    new window.Razorpay({
      key: asked.key_id,
      order_id: asked.order_id,
      amount: asked.amount,
      currency: asked.currency,
      name: asked.name,
      timeout: seconds, // as long as the place is held
      handler: bring,
      callback_url: asked.callback_url, // for browsers inside apps, where it leaves this page
      modal: { ondismiss: leave },
    }).open();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    open();
  });
  open();
})();
