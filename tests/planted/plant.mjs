// Plants bugs into a copy of the source and sees that the tests find each of them: `make planted`.
//
// plants.json lists them: in `file`, `from` becomes `to`; `by` names the tests that must find it (`always`: the
// property test on a database, `ledger`: the tests of the pure rules), `on` the database. All are compiled at once,
// each asleep until PLANTED names it, so that there is one build and not one a bug. With names as arguments only
// those whose name contains one of them are tried. DAYBOOK_ALWAYS_RUNS and DAYBOOK_ALWAYS_STEPS: how many
// neighbourhoods are played for each, and for how long.
import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../..');
const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');
const tree = join(target, 'planted');
// Below what the property test asks of a run that has to reach everything.
const runs = process.env.DAYBOOK_ALWAYS_RUNS ?? '15';
const steps = process.env.DAYBOOK_ALWAYS_STEPS ?? '120';
/** What the first neighbourhoods do not find, others may. */
const seeds = process.env.DAYBOOK_ALWAYS_SEED ? [process.env.DAYBOOK_ALWAYS_SEED] : ['1', '17'];

/**
 * A copy of what git has, as it is on the disk, without what is installed. It is compiled into the same folder, since
 * what the project depends on is there already; a setting of its own keeps its objects apart from the real ones.
 */
function copyTree() {
  rmSync(tree, { recursive: true, force: true });
  const files = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0').filter(Boolean);
  for (const file of files) {
    mkdirSync(dirname(join(tree, file)), { recursive: true });
    cpSync(join(root, file), join(tree, file));
  }
  for (const ours of ['daybook', 'migration']) {
    appendFileSync(join(tree, 'Cargo.toml'), `\n[profile.dev.package.${ours}]\ncodegen-units = 255\n`);
  }
  for (const folder of ['tests/postgres', 'tests/phone-js']) {
    symlinkSync(join(root, folder, 'node_modules'), join(tree, folder, 'node_modules'));
  }
}

/** Both as they are and as planted: whole statements as a block, all else as an expression. */
function plant(plant) {
  const file = join(tree, plant.file);
  const source = readFileSync(file, 'utf8');
  if (source.split(plant.from).length !== 2) {
    throw new Error(`${plant.name}: not exactly once in ${plant.file}: ${plant.from}`);
  }
  const either = `if crate::planted(${JSON.stringify(plant.name)}) { ${plant.to} } else { ${plant.from} }`;
  const statements = /[;}]$/.test(plant.from);
  writeFileSync(file, source.replace(plant.from, () => (statements ? either : `(${either})`)));
}

const asleep = `
/// Whether this bug is awake.
pub fn planted(name: &str) -> bool {
    static AWAKE: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    AWAKE.get_or_init(|| std::env::var("PLANTED").ok()).as_deref() == Some(name)
}
`;

function run(name, args, seed = seeds[0]) {
  const played = { DAYBOOK_ALWAYS_RUNS: runs, DAYBOOK_ALWAYS_STEPS: steps, DAYBOOK_ALWAYS_SEED: seed };
  const environment = { ...process.env, CARGO_TARGET_DIR: target, PLANTED: name, ...played };
  const shell = join(tree, 'tests/postgres/with-postgres.sh');
  const done = spawnSync(shell, ['cargo', 'nextest', 'run', '--locked', '--lib', '--test', 'it', ...args], {
    cwd: tree, env: environment, encoding: 'utf8', maxBuffer: 1 << 28,
  });
  return { failed: done.status !== 0, said: `${done.stdout}\n${done.stderr}` };
}

const filters = {
  always: (on) => `test(=always::what_always_holds_holds_after_every_judgement::${on})`,
  ledger: () => 'test(/^ledger::/)',
};

const wanted = process.argv.slice(2);
const all = JSON.parse(readFileSync(join(here, 'plants.json'), 'utf8'));
const plants = all.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
copyTree();
all.forEach(plant);
appendFileSync(join(tree, 'src/lib.rs'), asleep);
const built = run('', ['--no-run']);
if (built.failed) {
  console.error(built.said);
  console.error('does not compile');
  process.exit(1);
}
let missed = 0;
for (const { name, by, on } of [{ name: '', by: 'always', on: 'sqlite' }, ...plants]) {
  let { failed, said } = run(name, ['-E', filters[by](on)]);
  for (const seed of name === '' || by !== 'always' ? [] : seeds.slice(1)) {
    if (!failed) ({ failed, said } = run(name, ['-E', filters[by](on)], seed));
  }
  if (name === '') {
    if (failed) {
      console.error(said);
      console.error('fails with nothing planted');
      process.exit(1);
    }
    continue;
  }
  const seed = said.match(/DAYBOOK_ALWAYS_SEED=(\d+) [^\n]*?: ([^\n]{0,160})/);
  const panicked = said.match(/panicked at [^\n]*\n([^\n]{0,160})/);
  const how = seed ? `seed ${seed[1]}: ${seed[2]}` : (panicked?.[1] ?? '').trim();
  console.log(`${failed ? 'found' : 'NOT FOUND'}  ${name} (${by === 'always' ? on : by})  ${failed ? how : ''}`);
  missed += failed ? 0 : 1;
}
console.log(`${plants.length - missed} of ${plants.length} found`);
process.exit(missed === 0 ? 0 : 1);
