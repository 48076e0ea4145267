// The lists of words that the pages of browser.mjs are made of.

import fs from 'node:fs';

/** Every eighth of the lecture's names. */
export const names = fs
  .readFileSync(new URL('../../assets/names.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((name, i) => name && i % 8 === 0);

/** Some of them in upper and lower case. */
export const mixed = names.map((name, i) => (i % 4 ? name[0].toUpperCase() + name.slice(1) : name));

/** Words that would end a script, begin a comment, be markup or turn the text around them, if they were let. */
export const hostile = [
  '</script><script>window.intruder=1</script>',
  '</SCRIPT >',
  '<!--',
  '--><b>',
  '<script>',
  '<img src=x onerror=window.intruder=1>',
  '"><svg onload=window.intruder=1>',
  "' onclick='window.intruder=1",
  '&lt;b&gt;',
  '&amp;',
  '{{DATA}}',
  '{{SCRIPT}}',
  '$&$1$`',
  '${window.intruder=1}',
  '`window.intruder=1`',
  '\\u003c/script>',
  ']]>',
  'a\u202eb',
  '\u2066abc',
  'javascript:window.intruder=1',
  '../../etc/passwd',
  '%3Cscript%3E',
  "d'artagnan",
  'a\u2028b',
  '\\',
  '\\\\',
  '"',
  "'",
  '#',
  '=cmd|A1',
];

const FAMILIES = '王 李 张 刘 陈 杨 赵 黄 周 吴 徐 孙 胡 朱 高 林 何 郭 马 罗 梁 宋 郑 谢 韩 唐 冯 于 董 萧';
const GIVEN = '伟 芳 娜 敏 静 丽 强 磊 洋 艳 勇 杰 娟 涛 明 超 秀英 建国 小红 志强';
const JAPANESE =
  'さくら ひなた はると ゆうと みさき あおい そうた りく ゆい めい サクラ ハルト ユウト 東京 大阪 京都 横浜 札幌';

/** Chinese names, two thirds of all there could be, and Japanese words. */
export const cjk = FAMILIES.split(' ').flatMap((family, i) => {
  const given = GIVEN.split(' ').filter((_, j) => (i + j) % 3 > 0);
  return given.map((name) => family + name);
});
cjk.push(...JAPANESE.split(' '));

const ARABIC = `محمد أحمد علي حسن حسين عمر خالد يوسف إبراهيم عبدالله سعيد كريم طارق سامي ماجد فاطمة عائشة مريم زينب
خديجة ليلى سارة نور هدى سلمى رنا دينا منى ريم جميلة ياسمين عبدالرحمن مصطفى محمود جمال رامي فادي وليد باسم نبيل لمى
هالة سمر رحمة أمينة بشرى تالا جنى حلا دانة ذكرى رؤى زهراء شهد صفاء ضحى طيبة ظافر عبير غادة فرح قمر كوثر لجين ملاك
نسرين هند وعد يارا`;

/** Arabic names. */
export const arabic = ARABIC.split(/\s+/);
