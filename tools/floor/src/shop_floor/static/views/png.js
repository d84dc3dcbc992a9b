// Saves a drawing of the page as a PNG. Its colours come from the style sheet, which a picture of its own does not have.

const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "opacity", "font-size", "font-weight"];
const SHARP = 2;
const MARGIN = 16;

export async function savePng(drawing, name) {
  const copy = drawing.cloneNode(true);
  const [from, to] = [drawing.querySelectorAll("*"), copy.querySelectorAll("*")];
  from.forEach((element, i) => {
    const style = getComputedStyle(element);
    for (const property of STYLES) to[i].setAttribute(property, style.getPropertyValue(property));
    to[i].setAttribute("font-family", "Inter, sans-serif");
    to[i].removeAttribute("class");
  });
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.removeAttribute("style");
  const { width, height } = drawing.viewBox.baseVal;
  const address = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" }));
  const picture = new Image();
  picture.src = address;
  await picture.decode();
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: (width + 2 * MARGIN) * SHARP, height: (height + 2 * MARGIN) * SHARP });
  const pen = canvas.getContext("2d");
  pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--surface");
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(picture, MARGIN * SHARP, MARGIN * SHARP, width * SHARP, height * SHARP);
  URL.revokeObjectURL(address);
  const saved = URL.createObjectURL(await new Promise((done) => canvas.toBlob(done, "image/png")));
  const link = Object.assign(document.createElement("a"), { href: saved, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(saved), 10_000);
}
