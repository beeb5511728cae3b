"use strict";
// What a page shows of the messages is asked for again when the gateway says that they have moved.
addEventListener("DOMContentLoaded", () => {
  for (const place of document.querySelectorAll("[data-live]")) {
    new EventSource(place.dataset.live).addEventListener("messages", () => htmx.trigger(place, "moved"));
  }
});
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
