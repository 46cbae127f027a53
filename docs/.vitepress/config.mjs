import { existsSync, readFileSync } from 'node:fs'
import { defineConfig } from 'vitepress'

const sections = [
  ['Start', { 'What it is': 'index', 'Get started': 'get-started', 'From Spring Security': 'spring', 'From API keys': 'migration' }],
  [
    'Certificates',
    {
      'Certificates from files': 'certificates-from-files',
      SPIRE: 'spire',
      Kubernetes: 'kubernetes',
      'Behind a proxy': 'behind-a-proxy',
      'Development without SPIRE': 'development',
      Rotation: 'rotation',
    },
  ],
  [
    'Authorization',
    {
      Rules: 'rules',
      'Policies as documents': 'policies',
      'Who may call what': 'who-may-call-what',
      'Audit mode': 'audit',
      Refusals: 'refusals',
      Testing: 'testing',
    },
  ],
  ['Calls', { 'Call other services': 'calling-others', 'JWT-SVIDs': 'jwt-svids', 'Java callers': 'java' }],
  [
    'Operation',
    {
      'Operate a service': 'operating',
      'Decision log': 'decision-log',
      'Troubleshooting by symptom': 'troubleshooting',
      'Errors and reasons': 'errors',
      Performance: 'performance',
      Measurements: 'measurements',
      Bundling: 'bundling',
    },
  ],
  [
    'Trust',
    {
      Security: 'security',
      Architecture: 'architecture',
      Contributing: 'contributing',
      Style: 'contributing/style',
      'Code of conduct': 'code-of-conduct',
      Changelog: 'changelog',
      License: 'license',
    },
  ],
]

const examples = ['fastify-quickstart', 'express-quickstart', 'internal-api', 'service-chain', 'tls-pair', 'policies']

export default defineConfig({
  title: 'Countersign',
  description: 'Authenticates callers by their SPIFFE certificate over mutual TLS and authorizes every request by your rules.',
  lang: 'en-US',
  srcDir: '.vitepress/pages',
  ignoreDeadLinks: false,
  lastUpdated: false,
  metaChunk: true,
  head: [['link', { rel: 'icon', href: icon() }]],
  markdown: {
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    anchor: { slugify: toAnchor },
    languageAlias: { conf: 'ini', hcl: 'ini' },
  },
  themeConfig: {
    outline: { level: [2, 3], label: 'On this page' },
    nav: [
      { text: 'Get started', link: '/get-started' },
      { text: 'Troubleshooting', link: '/troubleshooting' },
      { text: 'API', link: '/api/' },
    ],
    sidebar: [
      ...sections.map(([text, pages]) => ({
        text,
        items: Object.entries(pages).map(([title, page]) => ({ text: title, link: page === 'index' ? '/' : `/${page}` })),
      })),
      { text: 'Examples', collapsed: true, items: examples.map((name) => ({ text: name, link: `/examples/${name}` })) },
      { text: 'API reference', link: '/api/', collapsed: true, items: readReference() },
    ],
    search: { provider: 'local', options: { miniSearch: { searchOptions: { combineWith: 'AND', fuzzy: 0.1 } } } },
    docFooter: { prev: 'Previous', next: 'Next' },
  },
})

/** The anchor that GitHub gives a heading, so that links with anchors lead to the same place on both. */
function toAnchor(heading) {
  return heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-')
}

function readReference() {
  const file = new URL('pages/api.json', import.meta.url)
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).map(toItem) : []
}

function toItem({ title, path, children }) {
  return {
    text: title,
    ...(path != null && { link: `/api/${path}` }),
    ...(children !== undefined && { collapsed: true, items: children.map(toItem) }),
  }
}

function icon() {
  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#14926b"/><path d="M4 8.5 7 11.5 12 5" fill="none" stroke="#fff" stroke-width="2"/></svg>'
  return `data:image/svg+xml,${encodeURIComponent(svg)}`
}
