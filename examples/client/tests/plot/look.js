// Draws a picture, and returns what is seen: the texts with their places, and where pixels of each
// colour are in both charts.
async svg => {
  document.body.innerHTML = svg;
  const box = area => [area.left, area.top, area.right, area.bottom];
  const texts = [...document.querySelectorAll('text')].map(it => ({
    text: it.textContent.trim(),
    area: box(it.getBoundingClientRect()),
  }));

  const image = new Image();
  image.src = 'data:image/svg+xml,' + encodeURIComponent(svg);
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = image.width;
  canvas.height = image.height;
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const colours = {
    black: [0, 0, 0], blue: [0, 114, 178], orange: [213, 94, 0], green: [0, 158, 115], grey: [90, 90, 90],
  };
  // Within the axes: the legend and the numbers are beside them.
  const look = (top, bottom) => {
    const seen = {};
    const [left, right] = [86, 806];
    const { data } = context.getImageData(left, top, right - left, bottom - top);
    for (const [name, colour] of Object.entries(colours)) {
      let area = null;
      for (let i = 0; i < data.length; i += 4) {
        // Lines of one pixel are mixed with the white beside them.
        if (colour.some((part, j) => Math.abs(data[i + j] - part) > 40)) continue;
        const x = left + i / 4 % (right - left), y = top + Math.floor(i / 4 / (right - left));
        area ??= [x, y, x, y];
        area = [Math.min(area[0], x), Math.min(area[1], y), Math.max(area[2], x), Math.max(area[3], y)];
      }
      seen[name] = { area };
    }
    return seen;
  };
  return { size: [image.width, image.height], texts, upper: look(100, 350), lower: look(448, 700) };
}
