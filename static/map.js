// The heat map as a map, by ECharts, where boundaries were loaded. The table in the same figure says the same to
// keyboards, screen readers and browsers without JavaScript.
// Input: <figure id="map" data-shapes="address of a FeatureCollection whose features have properties.code"> and in it
// <script type="application/json" id="map-areas"> with a list of {code, name, light, letter, why, href}. When that
// list is swapped for a newer one, the map follows.
(() => {
  const figure = document.getElementById("map");
  if (!figure || !window.echarts) return;
  const canvas = figure.querySelector(".canvas");
  const png = figure.querySelector("[data-png]");
  const part = (name) => figure.querySelector(`[data-${name}]`);
  const listed = () => document.getElementById("map-areas")?.textContent || "[]";
  const font = getComputedStyle(document.body).fontFamily;
  const thumb = window.matchMedia("(hover: none)").matches; // nothing hovers: the first tap says why, the second opens
  const unmapped = part("unmapped").textContent;
  let tapped = "";
  let chart = null;
  let shapes = null;
  let last = "";

  // The colours of a light are those it has everywhere else.
  const looks = {};
  const look = (light) => {
    if (!looks[light]) {
      const probe = document.createElement("span");
      probe.className = `light light-${light}`;
      figure.append(probe);
      const { backgroundColor, color } = getComputedStyle(probe);
      looks[light] = light === "red" ? { ground: color, ink: "#fff" } : { ground: backgroundColor, ink: color };
      probe.remove();
    }
    return looks[light];
  };

  // A degree of longitude is shorter than one of latitude, the more so the further north.
  const squeeze = () => {
    const latitudes = [];
    const walk = (at) => (typeof at[0] === "number" ? latitudes.push(at[1]) : at.forEach(walk));
    shapes.features.forEach((feature) => walk(feature.geometry.coordinates));
    const middle = latitudes.reduce((low, one) => Math.min(low, one), 90) / 2 + latitudes.reduce((high, one) => Math.max(high, one), -90) / 2;
    return Math.max(Math.cos((middle * Math.PI) / 180), 0.1);
  };

  const entry = (area) => {
    const { ground, ink } = look(area.light);
    return {
      ...area,
      name: area.code,
      title: area.name,
      itemStyle: { areaColor: ground },
      label: { color: ink },
      emphasis: { itemStyle: { areaColor: ground }, label: { color: ink } },
    };
  };

  const draw = () => {
    last = listed();
    const areas = JSON.parse(last);
    const mapped = new Set(shapes.features.map((feature) => feature.properties.code));
    const left = areas.filter((area) => !mapped.has(area.code));
    part("unmapped").hidden = !left.length;
    part("unmapped").textContent = `${unmapped} ${left.map((area) => area.name).join("、")}`;
    // Names where an area has room for them on the average; the letter always.
    const named = canvas.clientWidth / Math.sqrt(mapped.size) > 100;
    chart.setOption(
      {
        animation: false,
        textStyle: { fontFamily: font },
        tooltip: {
          renderMode: "richText", // the other mode writes style attributes, which the page's policy forbids
          confine: true,
          borderColor: "#8b95a3",
          textStyle: { fontFamily: font, color: "#1c2430", width: 220, overflow: "break" },
          formatter: ({ data }) =>
            data ? [`${data.title} · ${data.letter}`, data.why, ...(thumb ? [figure.dataset.again] : [])].join("\n") : "",
        },
        series: [
          {
            type: "map",
            map: figure.dataset.shapes,
            nameProperty: "code",
            aspectScale: squeeze(),
            preserveAspect: "contain",
            left: 8, right: 8, top: 8, bottom: 8,
            selectedMode: false,
            itemStyle: { borderColor: "#8b95a3", borderWidth: 1, areaColor: "#fff" },
            emphasis: { itemStyle: { borderColor: "#1c2430", borderWidth: 2.5 } },
            label: {
              show: true,
              formatter: ({ data }) => (data ? `{letter|${data.letter}}${named ? `\n${data.title}` : ""}` : ""),
              fontSize: 12,
              lineHeight: 16,
              rich: { letter: { fontSize: named ? 16 : 13, fontWeight: 700, lineHeight: 18 } },
            },
            data: areas.map(entry),
          },
        ],
      },
      true,
    );
  };

  const open = async () => {
    const answer = await fetch(figure.dataset.shapes, { headers: { Accept: "application/geo+json" } }).catch(() => null);
    // Whoever is logged out is sent to a page, which is no map.
    if (!answer || !answer.ok || answer.redirected) {
      part("failed").hidden = false;
      return;
    }
    shapes = await answer.json();
    if (!shapes.features.length) {
      part("failed").hidden = false;
      return;
    }
    canvas.hidden = png.hidden = false;
    window.echarts.registerMap(figure.dataset.shapes, shapes);
    chart = window.echarts.init(canvas, null, { renderer: "canvas" });
    chart.on("click", ({ data }) => {
      if (data && (!thumb || tapped === data.code)) window.location.assign(data.href);
      tapped = data ? data.code : "";
    });
    draw();
    figure.dataset.drawn = "yes";
    new ResizeObserver(() => {
      chart.resize();
      draw();
    }).observe(canvas);
    new MutationObserver(() => listed() !== last && listed() !== "[]" && draw()).observe(figure, { childList: true, subtree: true });
  };

  png.addEventListener("click", (event) => {
    event.stopPropagation(); // other charts are drawn in another way
    const link = document.createElement("a");
    link.download = `${figure.dataset.name}.png`;
    link.href = chart.getDataURL({ type: "png", pixelRatio: 2, backgroundColor: "#fff" });
    link.click();
  });
  open();
})();
