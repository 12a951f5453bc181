// The polyhedron: drawn by three.js as SVG, so that it needs no graphics card and is sharp at any size.

const SVG = "http://www.w3.org/2000/svg";
const AZIMUTH = (-55 * Math.PI) / 180;
const ELEVATION = (20 * Math.PI) / 180;
const DISTANCE = 6;
// The picture reaches so far from the origin; the longest feature of the run has length 1.
const REACH = 1.25;
const LIGHT = new THREE.Vector3(0.35, 0.55, 0.75).normalize();
// Unit outlines of the marks of the sets: circle, square, triangle, diamond, triangle on its head, plus.
const MARKS = [
  "M1 0A1 1 0 1 1 -1 0A1 1 0 1 1 1 0Z", "M-.9 -.9H.9V.9H-.9Z", "M0 -1.1L1 .8H-1Z", "M0 -1.2L1.2 0L0 1.2L-1.2 0Z",
  "M0 1.1L1 -.8H-1Z", "M-.4 -1H.4V-.4H1V.4H.4V1H-.4V.4H-1V-.4H-.4Z",
];
// Features shorter than this carry no label, nor do more than so many; a label is moved aside so often at most.
const LABELLED = 0.3;
const MOST_LABELS = 24;
const SHIFTS = 4;
const CROWD = 100;
const PALETTE = [...new Set(PAGE.colours)];

class Space {
  constructor(host, onPick) {
    this.host = host;
    this.frame = 0;
    const { points, faces, faceCounts, edges, edgeCounts } = PAGE.frames;
    this.points = unpacked(points);
    this.faces = { corners: unpacked(faces), starts: starts(faceCounts, 3) };
    this.edges = { corners: unpacked(edges), starts: starts(edgeCounts, 2) };
    this.isCrowd = PAGE.colours.length > CROWD;
    this.scene = new THREE.Scene();
    this.camera = new THREE.PerspectiveCamera((2 * Math.atan(REACH / DISTANCE) * 180) / Math.PI, 1, 1, 20);
    this.renderer = new THREE.SVGRenderer();
    this.renderer.overdraw = 0;
    this.renderer.setPrecision(1);
    host.append(this.renderer.domElement);
    this.solid = new THREE.Mesh(
      new THREE.BufferGeometry(),
      new THREE.MeshBasicMaterial({ vertexColors: true, transparent: true, opacity: 0.22, side: THREE.DoubleSide }),
    );
    this.solid.frustumCulled = false;
    this.scene.add(this.solid);
    this.outline = [];
    this.features = PAGE.colours.map((_, feature) => this.addFeature(feature, onPick));
    this.control();
    this.restyle();
  }

  // A plane is looked at straight on and not turned: from the side its angles would lie.
  control() {
    const [c, s] = [Math.cos(ELEVATION), Math.sin(ELEVATION)];
    if (!PAGE.isFlat) this.camera.up.set(0, 0, 1);
    const toViewer = PAGE.isFlat ? [0, 0, 1] : [c * Math.sin(AZIMUTH), -c * Math.cos(AZIMUTH), s];
    this.camera.position.set(...toViewer).multiplyScalar(DISTANCE);
    const controls = new THREE.OrbitControls(this.camera, this.host);
    Object.assign(controls, { enablePan: false, enableZoom: false, enableRotate: !PAGE.isFlat, keyRotateSpeed: 8 });
    controls.listenToKeyEvents(this.host);
    controls.addEventListener("change", () => this.draw());
    controls.update();
  }

  addFeature(feature, onPick) {
    const node = document.createElementNS(SVG, "path");
    node.setAttribute("d", MARKS[PAGE.sets[feature] % MARKS.length]);
    const group = document.createElementNS(SVG, "g");
    group.dataset.feature = feature;
    const title = document.createElementNS(SVG, "title");
    title.textContent = `feature ${PAGE.names[feature]}`;
    group.append(node, title);
    // A press and not a click: while the run plays, the mark moves away from under the pointer.
    group.addEventListener("pointerdown", () => onPick(feature));
    const label = document.createElementNS(SVG, "text");
    label.textContent = PAGE.names[feature];
    const parts = { dot: new THREE.SVGObject(group), label: new THREE.SVGObject(label), mark: node, text: label };
    parts.dot.renderOrder = 1;
    parts.label.renderOrder = 2;
    parts.ray = this.addLine();
    this.scene.add(parts.dot, parts.label);
    return parts;
  }

  addLine() {
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.BufferAttribute(new Float32Array(6), 3));
    const line = new THREE.Line(geometry, new THREE.LineBasicMaterial({ transparent: true, linecap: "round" }));
    line.frustumCulled = false;
    this.scene.add(line);
    return line;
  }

  restyle() {
    this.features.forEach(({ ray, mark }, feature) => {
      const colour = featureColour(feature);
      ray.material.color.set(colour);
      // In a crowd nobody sees which ray is in front, and rays of one colour drawn together are drawn fast.
      if (this.isCrowd) ray.renderOrder = -1 - PALETTE.indexOf(PAGE.colours[feature]);
      mark.style.fill = colour;
    });
    this.faceColour = new THREE.Color(variable("--face"));
    this.edgeColour = new THREE.Color(variable("--edge"));
    this.renderer.setClearColor(variable("--paper"));
    this.draw();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (!width || !height) return;
    this.renderer.setSize(width, height);
    // The shorter side holds the picture's reach.
    this.camera.aspect = width / height;
    const across = Math.max(1, height / width);
    this.camera.fov = (2 * Math.atan((REACH / DISTANCE) * across) * 180) / Math.PI;
    this.camera.updateProjectionMatrix();
    this.scale = Math.min(width, height) / 2 / REACH;
    this.draw();
  }

  show(frame) {
    this.frame = frame;
    this.draw();
  }

  pick(feature) {
    this.picked = feature;
    this.draw();
  }

  // Between two rows a feature goes in a straight line.
  point(feature) {
    const [from, to] = [Math.floor(this.frame), Math.ceil(this.frame)].map((frame) => {
      const at = 3 * (frame * this.features.length + feature);
      return new THREE.Vector3(...this.points.subarray(at, at + 3));
    });
    return from.lerp(to, this.frame % 1).multiplyScalar(PAGE.frames.unit);
  }

  draw() {
    if (!this.scale) return;
    this.camera.updateMatrixWorld();
    this.toViewer = this.camera.position.clone().normalize();
    const places = this.features.map((_, feature) => this.point(feature));
    this.drawFaces(places);
    this.drawEdges(places);
    this.drawFeatures(places);
    this.drawLabels(places);
    this.renderer.render(this.scene, this.camera);
  }

  drawFaces(places) {
    const corners = span(this.faces, this.frame);
    const positions = new Float32Array(3 * corners.length);
    const colours = new Float32Array(3 * corners.length);
    corners.forEach((feature, k) => places[feature].toArray(positions, 3 * k));
    const [a, b, c] = [new THREE.Vector3(), new THREE.Vector3(), new THREE.Vector3()];
    const light = LIGHT.clone().transformDirection(this.camera.matrixWorld);
    for (let k = 0; k < corners.length; k += 3) {
      [a, b, c].forEach((corner, j) => corner.copy(places[corners[k + j]]));
      const normal = b.sub(a).cross(c.sub(a)).normalize();
      const colour = this.faceColour.clone().multiplyScalar(0.6 + 0.6 * Math.abs(normal.dot(light)));
      for (let j = 0; j < 3; j++) colour.toArray(colours, 3 * (k + j));
    }
    this.solid.visible = corners.length > 0;
    this.solid.geometry.setAttribute("position", new THREE.BufferAttribute(positions, 3));
    this.solid.geometry.setAttribute("color", new THREE.BufferAttribute(colours, 3));
  }

  drawEdges(places) {
    const corners = span(this.edges, this.frame);
    while (this.outline.length < corners.length / 2) this.outline.push(this.addLine());
    this.outline.forEach((line, k) => {
      line.visible = 2 * k < corners.length;
      if (!line.visible) return;
      const [from, to] = [places[corners[2 * k]], places[corners[2 * k + 1]]];
      const near = (this.nearness(from) + this.nearness(to)) / 2;
      line.material.color.copy(this.edgeColour);
      stretch(line, from, to, 0.25 + 0.65 * near, 0.6 + 1.1 * near);
    });
  }

  drawFeatures(places) {
    const origin = new THREE.Vector3();
    this.features.forEach(({ ray, dot, mark }, feature) => {
      const near = this.nearness(places[feature]);
      const aside = this.picked !== undefined && this.picked !== feature;
      const depth = this.isCrowd ? 0.5 : near;
      if (PAGE.isLine) origin.y = places[feature].y;
      stretch(ray, origin, places[feature], (0.45 + 0.55 * depth) * (aside ? 0.2 : 1), 1.2 + 1.6 * depth);
      dot.position.copy(places[feature]);
      // What ends unrepresented is drawn small, so that a crowd of it hides nothing.
      const size = (4.5 + 3 * near) * (PAGE.isFaint[feature] ? 0.5 : 1);
      update(mark, "transform", `scale(${size.toFixed(1)})`);
      update(mark, "opacity", (aside ? 0.25 : 0.75 + 0.25 * near).toFixed(1));
    });
  }

  // The longest features have their number beyond their dot; numbers that would lie on another move to the right.
  drawLabels(places) {
    const longest = places.map((place, feature) => [place.length(), feature]).sort((a, b) => b[0] - a[0]);
    const shown = new Set(longest.slice(0, MOST_LABELS).filter(([length]) => length > LABELLED).map(([, k]) => k));
    const taken = [];
    this.features.forEach(({ label, text }, feature) => {
      label.visible = shown.has(feature);
      if (!label.visible) return;
      label.position.copy(places[feature]);
      const view = places[feature].clone().transformDirection(this.camera.matrixWorldInverse);
      if (PAGE.isLine) view.y = 0;
      const across = Math.hypot(view.x, view.y);
      // A feature that points at the viewer has no direction on the picture; its label goes above it.
      const [x, y] = across > 0.05 ? [view.x / across, -view.y / across] : [0, -1];
      const on = places[feature].clone().project(this.camera).multiplyScalar(this.scale * REACH);
      const place = [17 * x, 17 * y];
      for (let k = 0; k < SHIFTS && taken.some((other) => near(other, on.x + place[0], place[1] - on.y)); k++) place[0] += 17;
      taken.push([on.x + place[0], place[1] - on.y]);
      text.setAttribute("x", place[0].toFixed(1));
      text.setAttribute("y", place[1].toFixed(1));
    });
  }

  // 0 at the far end of the picture, 1 at the near one.
  nearness(place) {
    return Math.min(Math.max((place.dot(this.toViewer) + 1) / 2, 0), 1);
  }
}

function starts(counts, corners) {
  let sum = 0;
  return [0, ...counts.map((count) => (sum += corners * count))];
}

function span({ corners, starts: from }, frame) {
  const row = Math.floor(frame);
  return corners.subarray(from[row], from[row + 1]);
}

// To tell the browser of what stays as it is would cost time.
function update(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

function stretch(line, from, to, opacity, width) {
  const { array } = line.geometry.attributes.position;
  from.toArray(array, 0);
  to.toArray(array, 3);
  line.material.opacity = Math.round(opacity * 100) / 100;
  line.material.linewidth = Math.round(width * 10) / 10;
}

function near([x, y], otherX, otherY) {
  return Math.abs(x - otherX) < 16 && Math.abs(y - otherY) < 14;
}
