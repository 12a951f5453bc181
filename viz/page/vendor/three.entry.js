// What the page uses of three.js. vendor/README.md tells how the file beside this one is made of it.
export {
  BufferAttribute, BufferGeometry, Color, DoubleSide, Line, LineBasicMaterial, Mesh, MeshBasicMaterial,
  PerspectiveCamera, Scene, Vector3,
} from "three";
export { OrbitControls } from "three/addons/controls/OrbitControls.js";
export { SVGObject, SVGRenderer } from "three/addons/renderers/SVGRenderer.js";
