/**
 * Loads `@peculiar/x509` when it is first needed, because importing it takes longer than importing all of Countersign.
 * In CommonJS: on every supported version of Node, only `require` can load a package without waiting, and bundlers
 * follow it.
 */
exports.loadX509 = () => {
  // @peculiar/x509 throws on import unless a Reflect polyfill was loaded before.
  require('reflect-metadata')
  return require('@peculiar/x509')
}
