// The lasso of a map lists the rows it holds, those with a picture first.
Bokeh.logger.set_level("error");  // it says how long it took
for (const box of document.querySelectorAll(".map")) {
  const read = what => JSON.parse(box.querySelector("script." + what).textContent);
  const pictures = read("pictures"), list = box.querySelector("ul"), said = box.querySelector(".said"), most = 120;
  const item = (name, picture) => {
    const out = document.createElement("li");
    out.className = "tile";
    if (picture) out.append(Object.assign(new Image(), {src: picture, alt: ""}));
    out.append(Object.assign(document.createElement("small"), {textContent: name}));
    return out;
  };
  Bokeh.embed.embed_item(read("figure"), box.querySelector(".plot")).then(() => {
    const source = Bokeh.documents[Bokeh.documents.length - 1].get_model_by_name("rows");
    source.selected.properties.indices.change.connect(() => {
      const rows = [...source.selected.indices].sort((a, b) => !(a in pictures) - !(b in pictures) || a - b);
      list.replaceChildren(...rows.slice(0, most).map(i => item(source.data.row[i], pictures[i])));
      said.textContent = rows.length + (rows.length === 1 ? " row" : " rows")
        + (rows.length > most ? ", the first " + most + " of them" : "");
    });
  });
}
