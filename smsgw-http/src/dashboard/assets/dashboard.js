"use strict";
// What a page shows of the messages is asked for again when the gateway says that they have moved.
// A page that nobody sees listens to nothing: a browser has six connections to a host.
const listen = (place) => {
  let source;
  const turn = () => {
    if (document.hidden) { source?.close(); source = undefined; }
    else if (!source) {
      source = new EventSource(place.dataset.live);
      source.addEventListener("messages", () => htmx.trigger(place, "moved"));
    }
  };
  document.addEventListener("visibilitychange", turn);
  turn();
};
addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-live]").forEach(listen));
// Figures that are not kept up to date any more say so.
const stale = (is) => { document.getElementById("stale").hidden = !is; };
for (const failed of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) addEventListener(failed, () => stale(true));
addEventListener("htmx:afterOnLoad", (event) => { if (event.detail.xhr.status < 400) stale(false); });
// Draws the figures of the overview, which the page holds as JSON; htmx puts newer ones in their place.
(() => {
  let chart;
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const draw = () => {
    const place = document.getElementById("chart");
    const source = document.getElementById("figures");
    if (!place || !source) return;
    const data = JSON.parse(source.textContent);
    if (chart) return chart.setData(data);
    const axis = { stroke: color("--quiet"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
    const line = (label, name, dash) => ({ label, stroke: color(name), width: 2, dash, points: { show: false } });
    chart = new uPlot({
      width: place.clientWidth,
      height: 220,
      legend: { live: false },
      cursor: { show: false },
      axes: [axis, { ...axis, size: 60 }],
      scales: { y: { range: (_, low, high) => [0, Math.max(1, high)] } },
      series: [{}, line("accepted", "--text"), line("sent", "--going", [6, 3]), line("delivered", "--good"), line("failed", "--bad", [2, 3])],
    }, data, place);
    addEventListener("resize", () => chart.setSize({ width: place.clientWidth, height: 220 }));
  };
  addEventListener("DOMContentLoaded", draw);
  addEventListener("htmx:afterSettle", draw);
})();
