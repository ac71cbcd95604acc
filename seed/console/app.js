'use strict';
// The page asks the seed every two seconds, and puts what it says into the page as text, never as markup.
const $ = id => document.getElementById(id);
const make = (tag, text, kind) => { const node = document.createElement(tag); if (text !== undefined) node.textContent = text; if (kind) node.className = kind; return node; };
const size = value => { let n = Number(value || 0), unit = 0; const units = ['B', 'kB', 'MB', 'GB', 'TB']; while (n >= 999.5 && unit < 4) { n /= 1000; unit++; } return (unit && n < 9.95 ? n.toFixed(1) : n.toFixed(0)) + ' ' + units[unit]; };
const time = value => { const s = Number(value || 0); return s < 60 ? s + ' s' : s < 3600 ? Math.floor(s / 60) + ' min' : Math.floor(s / 3600) + ' h'; };
const filled = (used, limit) => Number(limit) ? size(used) + ' of ' + size(limit) : size(used);
const millis = value => Number(value) < 1000 ? Number(value) + ' ms' : (Number(value) / 1000).toFixed(1) + ' s';
const slow = of => Number(of.slow_reads) ? of.slow_reads + ', ' + millis(of.slowest_read_ms) + ' at most' : '0';
const starts = of => Number(of.starts) ? millis(of.start_ms) + ', ' + millis(of.longest_start_ms) + ' at most (' + of.starts + ')' : '-';
const link = site => { if (!site.below) return '-'; if (site.away) return make('td', 'not heard of for ' + time(site.heard_seconds_ago), 'bad'); return size(site.link_today) + ' today' + (Number(site.link_day) ? ' of ' + size(site.link_day) : '') + (Number(site.link_rate) ? ', ' + size(site.link_rate) + '/s at most' : ''); };
const fraction = counts => Number(counts.bytes_total) ? Number(counts.bytes_done) / Number(counts.bytes_total) : (counts.nodes ? counts.verified / counts.nodes : 0);

function table(into, head, rows, none) {
  if (!rows.length) { into.replaceChildren(make('p', none, 'faint')); return; }
  const body = make('tbody'), top = make('tr'), thead = make('thead'), whole = make('table'), wide = make('div', undefined, 'wide');
  head.forEach(name => { const cell = make('th', name); cell.scope = 'col'; top.append(cell); });
  rows.forEach(cells => { const row = make('tr'); cells.forEach(cell => row.append(cell instanceof Node ? cell : make('td', cell))); body.append(row); });
  thead.append(top); whole.append(thead, body); wide.append(whole); wide.tabIndex = 0; wide.setAttribute('role', 'region'); wide.setAttribute('aria-label', head[0]);
  const old = into.querySelector('.wide'), left = old ? old.scrollLeft : 0, focused = old && old === document.activeElement;
  into.replaceChildren(wide); wide.scrollLeft = left; if (focused) wide.focus();
}

async function change(job, what) {
  const answer = await fetch('../samara/v1/fleet/jobs/' + encodeURIComponent(job) + '/' + what, { method: 'POST', headers: { 'Samara-Console': '1' } });
  $('state').textContent = answer.ok ? job + ': ' + what : await answer.text();
  refresh();
}

function showJobs(jobs, may) {
  const active = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.key : undefined;
  const cards = jobs.map(job => {
    const card = make('article', undefined, 'job');
    const kind = { done: 'good', planned: 'good', failed: 'bad', refused: 'bad', cancelled: 'warn' }[job.state] || '';
    const title = make('h3', job.id + '  '); title.append(make('span', job.state, kind)); card.append(title);
    if (job.reason) card.append(make('p', job.reason, 'bad'));
    job.images.forEach(image => {
      card.append(make('p', image.wish.image + '  (' + image.wish.level + ')'));
      const bar = make('progress'); bar.max = 1; bar.value = image.phase === 'failed' ? 0 : fraction(image.counts);
      bar.setAttribute('aria-label', image.wish.image + ': ' + Math.round(100 * bar.value) + ' per cent'); card.append(bar);
      const words = image.phase === 'failed' ? image.error : image.phase === 'placing' || job.state !== 'running'
        ? image.counts.verified + ' of ' + image.counts.nodes + ' nodes verified, ' + size(image.counts.bytes_done) + ' of ' + size(image.counts.bytes_total)
        : image.phase + (image.phase === 'converting' ? ' ' + size(image.bytes_converted) + ' of ' + size(image.bytes_to_convert) : '');
      const line = make('p', words, image.phase === 'failed' ? 'bad' : 'faint'); card.append(line);
      if (image.counts.failed) line.append(make('span', ', ' + image.counts.failed + ' failed', 'bad'));
      if (image.counts.away) line.append(make('span', ', ' + image.counts.away + ' away', 'warn'));
    });
    const button = what => { const b = make('button', what); b.type = 'button'; b.dataset.key = job.id + what; b.setAttribute('aria-label', what + ' ' + job.id); b.onclick = () => change(job.id, what); card.append(b); };
    if (may && job.state === 'running') button('cancel');
    if (may && (job.state === 'cancelled' || job.state === 'refused')) button('resume');
    if (may && (job.state === 'failed' || job.state === 'done')) button('retry');
    return card;
  });
  $('jobs').replaceChildren(...(cards.length ? cards : [make('p', 'No jobs. samara warm IMAGE makes one.', 'faint')]));
  if (active) { const again = [...document.querySelectorAll('button')].find(b => b.dataset.key === active); if (again) again.focus(); }
}

function showSum(all) {
  const own = all.sites.find(site => site.own) || {};
  const facts = [['nodes here', (all.nodes - all.nodes_away) + ' of ' + all.nodes], ['cache of this site', filled(all.disk_used, all.disk_limit)],
    ['converted layers', all.layers], ['jobs that run', all.jobs.filter(job => job.state === 'running').length],
    ['slow reads on nodes', all.slow_reads], ['start-up (starts)', starts(own)], ['reads that wait', all.waiting_reads]];
  $('sum').replaceChildren(...facts.map(([name, value]) => { const box = make('div'); box.append(make('dt', name), make('dd', String(value))); return box; }));
}

function showNodes(nodes, of) {
  const rows = nodes.map(node => {
    const heard = make('td', node.away ? 'away for ' + time(node.heard_seconds_ago) : time(node.heard_seconds_ago) + ' ago', node.away ? 'bad' : '');
    const labels = Object.entries(node.labels || {}).map(([key, value]) => value ? key + '=' + value : key).sort().join(', ');
    return [node.name, node.site, heard, filled(node.disk_used, node.disk_limit), String(node.layers), slow(node), starts(node), size(node.from_site), size(node.from_swarm), labels || '-', node.version];
  });
  table($('nodes'), ['Node', 'Site', 'Heard', 'Cache', 'Layers', 'Slow reads', 'Start-up (starts)', 'From site', 'From swarm', 'Labels', 'Version'], rows, 'No node is meant. Nodes tell of themselves: see sites in node.toml.');
  if (of > nodes.length) $('nodes').append(make('p', 'The first ' + nodes.length + ' of ' + of + ': a selector shows others.', 'faint'));
}

async function refresh() {
  const get = async path => { const answer = await fetch(path); if (!answer.ok) throw new Error((await answer.text()).trim() || 'HTTP ' + answer.status); return answer.json(); };
  try {
    const all = await get('../samara/v1/fleet');
    $('site').textContent = all.site + '  ' + all.version;
    showSum(all); showJobs(all.jobs, all.may_change);
    table($('sites'), ['Site', 'Nodes', 'Away', 'Caches', 'From site', 'From swarm', 'From neighbours', 'Slow reads', 'Start-up (starts)', 'Link'], all.sites.map(site => [site.name + (site.own ? ' (this)' : ''), String(site.nodes), make('td', String(site.nodes_away), site.nodes_away ? 'warn' : ''), filled(site.disk_used, site.disk_limit), size(site.from_site), size(site.from_swarm), size(site.from_neighbours), slow(site), starts(site), link(site)]), 'none');
    table($('swarms'), ['Blob', 'Here', 'Peers', 'Sends', 'Sent'], all.swarms.map(swarm => [swarm.blob.slice(0, 19) + '…', Number(swarm.pieces_total) ? Math.round(100 * swarm.pieces / swarm.pieces_total) + ' %' : '-', String(swarm.peers), size(swarm.upload_rate) + '/s', size(swarm.uploaded)]), 'No swarm: nothing is shared now, or [swarm] is not enabled.');
    $('state').textContent = 'as of ' + new Date().toLocaleTimeString();
    $('state').className = 'faint';
  } catch (error) { $('state').textContent = 'the site does not answer: ' + error.message; $('state').className = 'bad'; }
  try {
    const found = await get('../samara/v1/fleet/nodes?limit=200&selector=' + encodeURIComponent($('selector').value.trim()));
    showNodes(found.nodes, found.total); $('selector-error').textContent = '';
  } catch (error) { $('selector-error').textContent = $('selector').value ? error.message : ''; }
  try {
    const { links } = await get('../samara/v1/links?days=1');
    table($('links'), ['Link', 'State', 'Today', 'Budget a day', 'Rate at most', 'Arriving'], links.map(link => { const today = link.days.length ? link.days[0].total : 0; return [link.name, make('td', link.up ? 'up' : 'down: ' + link.error, link.up ? 'good' : 'bad'), size(today), link.bytes_per_day ? size(link.bytes_per_day) : 'no limit', link.bytes_per_second ? size(link.bytes_per_second) + '/s' : 'no limit', String(link.arriving.length)]; }), 'This site has no parent.');
  } catch (error) { $('links').replaceChildren(make('p', 'Links are shown to the site\'s own machine.', 'faint')); }
}

let pending = 0;
$('selector').addEventListener('input', () => { clearTimeout(pending); pending = setTimeout(refresh, 300); });
async function loop() { if (!document.hidden) await refresh(); setTimeout(loop, 2000); }
loop();
