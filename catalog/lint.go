package catalog

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/medtour/medtour/fault"
)

// LintRule names a rule of the listing lint.
//
// The rules follow the Advertising Law of the PRC: article 16 forbids in
// medical advertising any assertion or guarantee of efficacy or safety, any
// cure rate or effective rate, any comparison of efficacy or safety with other
// institutions, and any recommendation or testimony by a spokesperson; article
// 9 (3) forbids "national level", "highest level", "best" and the like; article
// 11 wants data named with their source.
type LintRule string

// The rules.
const (
	// LintGuarantee: a cure, an effect or safety is promised.
	LintGuarantee LintRule = "guarantee"
	// LintSuperlative: best, No. 1, safest, national level.
	LintSuperlative LintRule = "superlative"
	// LintComparison: another institution is compared with.
	LintComparison LintRule = "comparison"
	// LintEndorsement: patients, experts or the famous recommend it.
	LintEndorsement LintRule = "endorsement"
	// LintOutcome: a rate of cure, success or survival outside a Claim that is
	// marked as an outcome.
	LintOutcome LintRule = "outcome"
	// LintUnsourced: a figure or a "first" that belongs into a Claim with its
	// source.
	LintUnsourced LintRule = "unsourced"
)

// LintRules lists the rules.
var LintRules = []LintRule{LintGuarantee, LintSuperlative, LintComparison, LintEndorsement, LintOutcome, LintUnsourced}

// Severity says what follows from a finding.
type Severity string

const (
	// Refuse: the entry cannot be submitted.
	Refuse Severity = "refuse"
	// Warn: the operator is shown it and decides.
	Warn Severity = "warn"
)

// LintFinding is something in a listing that may not stand there.
type LintFinding struct {
	// Field and Lang say where: "summary", "claims[2].text".
	Field    string   `json:"field"`
	Lang     string   `json:"lang,omitempty"`
	Rule     LintRule `json:"rule"`
	Severity Severity `json:"severity"`
	// Words are those of the text that the finding is about.
	Words string `json:"words"`
	// Message says in English why, and what would do.
	Message string `json:"message"`
}

// Path names the field with its language, as validation does: "summary.en".
func (f LintFinding) Path() string {
	if f.Lang == "" {
		return f.Field
	}
	return f.Field + "." + f.Lang
}

// lintMessages say why, and what would do.
var lintMessages = map[LintRule]string{
	LintGuarantee:   "no cure, effect or safety may be promised; say what is done and for whom",
	LintSuperlative: "no best, first or highest; say what can be checked, as a claim with its source",
	LintComparison:  "no comparison with other institutions; say what is done here",
	LintEndorsement: "nobody may recommend a treatment in a listing; leave it out",
	LintOutcome:     "rates of cure, success or survival stand in claims marked as outcomes, with who reported them and when",
	LintUnsourced:   "state it as a claim with its source",
}

// lintPattern is words that break a rule.
type lintPattern struct {
	rule     LintRule
	severity Severity
	words    *regexp.Regexp
}

func refuse(rule LintRule, words string) lintPattern {
	return lintPattern{rule, Refuse, regexp.MustCompile(`(?i)` + words)}
}

func warn(rule LintRule, words string) lintPattern {
	return lintPattern{rule, Warn, regexp.MustCompile(`(?i)` + words)}
}

// Words that several patterns share.
const (
	enOutcome   = `(?:cures?|recover(?:y|ies)|results?|outcomes?|success|survival|efficacy|effect(?:s|iveness)?|remission|healing|safety)`
	enPlace     = `(?:hospitals?|clinics?|cent(?:er|re)s?|institutions?|competitors?|providers?|peers|others|elsewhere|anywhere|abroad|any other|europe|america|germany|the west)`
	enCompare   = `(?:better|safer|cheaper|faster|superior|fewer complications|lower (?:price|cost|risk)s?|higher (?:success|survival|cure) rates?|more (?:experienced|effective|advanced|successful|reliable|skilled|precise))`
	enWho       = `(?:patients|doctors|experts|celebrit(?:y|ies)|athletes|film stars|professors|specialists|families|customers|clients|royal\w*|ministers?|presidents?|academicians)`
	enRate      = `(?:success|cure|survival|remission|response|efficacy|effectiveness|recovery|complication|mortality|relapse|recurrence|pregnancy|live[- ]birth|satisfaction)[- ]rates?`
	zhPlace     = `(?:医院|机构|诊所|中心|同行|同业|他院|国外|国内|欧美|海外|美国|日本|韩国|德国)`
	zhNoCount   = `[^,。;!?\d一二两三四五六七八九十百千万数多余]`
	zhOutcome   = `(?:治愈|疗效|痊愈|康复|治好|见效|成功|有效|根治|效果)`
	zhWho       = `(?:专家|患者|病人|病友|明星|名人|医生|教授|院士|顾客|客户)`
	frOutcome   = `(?:guérisons?|résultats?|succès|réussite|efficacité)`
	esOutcome   = `(?:cura|curación|resultados?|éxito|eficacia|recuperación)`
	ruOutcome   = `(?:излечен|выздоровлен|результат|успех|эффект|исцелен)`
	ruWho       = `(?:больниц|клиник|врач|хирург|центр|специалист|отделен|лечен)`
	zhRateWords = `(?:治愈|有效|成功|存活|生存|缓解|好转|康复|复发|死亡|满意|妊娠|活产)`
)

// lintPatterns are looked for in every text, whatever language it claims to be
// in.
var lintPatterns = []lintPattern{
	// English
	refuse(LintGuarantee, `\bguarantee(?:s|d|ing)?\b[^.;!?\n]{0,40}\b`+enOutcome+`\b`),
	refuse(LintGuarantee, `\b`+enOutcome+`\b[^.;!?\n]{0,20}\bguaranteed\b`),
	refuse(LintGuarantee, `\bpromis(?:e|es|ed|ing)\b[^.;!?\n]{0,20}\b`+enOutcome+`\b`),
	refuse(LintGuarantee, `\b100\s?(?:%|percent|per cent)\s*(?:cure[ds]?|success\w*|effective|safe|recovery|satisfaction|painless)\b`),
	refuse(LintGuarantee, `\b(?:complete|completely|permanent|permanently|fully|total|totally|absolute|absolutely|perfectly)[- ](?:cure[ds]?|safe|effective|painless|free of risk)\b`),
	refuse(LintGuarantee, `\b(?:we|treatment|therapy|surgery|operation|method|procedure|medicine|acupuncture|it|doctors?|team)\s+(?:will\s+|always\s+|can\s+)?cures?\b`),
	refuse(LintGuarantee, `\b(?:will|shall) (?:be (?:cured|healed)|recover (?:fully|completely))\b`),
	refuse(LintGuarantee, `\bmiracles?\b|\bmiraculous\w*`),
	refuse(LintGuarantee, `\brisk[- ]free\b|\b(?:zero|no)\s+(?:side[- ]effects?|risks?|complications?|pain|recurrence|relapse)\b(?:\s+at all)?|\bwithout (?:any )?(?:risks?|side[- ]effects?|recurrence)\b`),
	refuse(LintGuarantee, `\b(?:never|not) (?:come|comes|coming) back\b|\bmoney[- ]back\b|\bno cure,? no pay\b|\bcure[- ]all\b`),
	warn(LintGuarantee, `\bpainless\w*|\bproven to (?:work|heal|help)\b|\bcan be cured\b`),
	refuse(LintSuperlative, `\b(?:the|our|its|your|china['’]s|shanghai['’]s|asia['’]s|world['’]s|country['’]s|city['’]s|nation['’]s) (?:very |absolute )?best\b|\bbest (?:hospital|clinic|doctor|surgeon|team|cent(?:er|re)|department|treatment|care|price|quality|in (?:china|asia|shanghai|the world|class))\b`),
	refuse(LintSuperlative, `(?:\b(?:no\.?|number|nr\.?)\s*(?:1|one)\b|#\s?1\b)`),
	refuse(LintSuperlative, `\bsafest\b|\bfinest\b|\bmost (?:advanced|experienced|effective|reliable|successful|trusted|professional|famous|renowned|skilled|authoritative|modern|precise)\b`),
	refuse(LintSuperlative, `\bworld[- ](?:class|leading|beating)\b|\bsecond to none\b|\bunrival+ed\b|\bunparalleled\b|\bunmatched\b|\bunbeatable\b|\bfirst[- ](?:class|rate)\b|\btop[- ](?:ranked|tier|class|notch|level)\b|\bnational[- ]level\b`),
	refuse(LintSuperlative, `\b(?:top|foremost|premier|ultimate|elite) (?:hospital|clinic|cent(?:er|re)|surgeon|doctor|expert|specialist|team|department|physician|care)s?\b`),
	warn(LintSuperlative, `\b(?:leading|renowned|famous|prestigious) (?:[a-z]+ )?(?:hospital|clinic|cent(?:er|re)|surgeon|doctor|expert|specialist|team|department|physician)s?\b|\bstate[- ]of[- ]the[- ]art\b|\bcutting[- ]edge\b`),
	refuse(LintComparison, `\b`+enCompare+`\b[^.;!?\n]{0,40}\bthan\b[^.;!?\n]{0,40}\b`+enPlace+`\b`),
	refuse(LintComparison, `\bunlike (?:other|most|many) (?:\w+ )?`+enPlace+`\b|\boutperform\w*|\bno other (?:\w+ )?(?:hospital|clinic|cent(?:er|re)|institution)\b`),
	refuse(LintComparison, `\bcompared (?:with|to) (?:other|another|most|competing|rival)\b`),
	refuse(LintEndorsement, `\b(?:recommended|endorsed|trusted|praised|loved|chosen) by\b[^.;!?\n]{0,30}\b`+enWho+`\b`),
	refuse(LintEndorsement, `\b`+enWho+` (?:recommend|endorse|trust|praise|love|choose|swear by|rave about) (?:us|our|this (?:hospital|clinic|treatment|team)|the hospital|him|her)\b`),
	refuse(LintEndorsement, `\btestimonials?\b|\bsuccess stor(?:y|ies)\b|\bhappy patients\b|\bsatisfied (?:patients|customers)\b`),
	refuse(LintOutcome, `\b`+enRate+`\b[^.;!?\n]{0,40}\d+(?:\.\d+)?\s?(?:%|percent|per cent)?|\d+(?:\.\d+)?\s?(?:%|percent|per cent)[^.;!?\n]{0,25}\b(?:`+enRate+`|cured|surviv\w+|remission|recover\w*|success\w*|satisfied|effective)\b`),
	refuse(LintOutcome, `\b(?:\d+|nine|eight) (?:out of|in|of) (?:\d+|ten|every ten)(?: of)?(?: our| all)? (?:patients|people|cases|women|men|children)\b[^.;!?\n]{0,30}\b(?:cured|recover\w*|surviv\w*|succe\w*|improv\w*|satisfied|remission|well)\b`),
	warn(LintUnsourced, `\b\d[\d,. ]*(?:\+|thousand|million)?\s*(?:successful )?(?:patients|procedures|operations|surgeries|transplants|cases|infusions|cycles|interventions)\b`),
	warn(LintUnsourced, `\b(?:the |china['’]s |shanghai['’]s |asia['’]s )(?:only|first|largest|biggest|oldest) (?:\w+ )?(?:hospital|clinic|cent(?:er|re)|department|team|programme|program|unit)\b`),
	warn(LintUnsourced, `(?:\b(?:CNY|RMB|USD|EUR)\s?|[¥$€])\d[\d,.]*|\b\d[\d,.]*\s?(?:CNY|RMB|USD|EUR|yuan)\b`),

	// Chinese, simplified and traditional
	refuse(LintGuarantee, `包治|包愈|包好(?:你|您|病)|包(?:您|你|患者)(?:康复|痊愈|治好|满意)|百病`),
	refuse(LintGuarantee, `(?:保证|保證|确保|確保|承诺|承諾|担保)[^,。;!?\n]{0,8}(?:`+zhOutcome+`|治癒|療效|安全无|無效退)`),
	refuse(LintGuarantee, `(?:`+zhOutcome+`|治癒|療效)(?:有|得到|完全)?(?:保证|保證|保障|有保)`),
	refuse(LintGuarantee, `根治|(?:彻底|徹底|完全|永久|百分之百|百分百|100%)(?:治愈|治癒|治好|康复|康復|根除|痊愈|有效|成功|安全|无痛)`),
	refuse(LintGuarantee, `(?:永|绝|决|再|术后)不(?:会)?(?:再)?复发|不再复发|永不復發|无复发|零复发`),
	refuse(LintGuarantee, `药到病除|手到病除|妙手回春|立竿见影|起死回生|一次(?:见效|治愈)|(?:立刻|立即|当天|快速|迅速)(?:见效|治愈)|神效|奇效|奇迹|無效退款|无效退款`),
	refuse(LintGuarantee, `(?:零|无|無|没有|沒有)(?:任何)?(?:风险|風險|副作用|毒副作用|后遗症|并发症|痛苦)`),
	warn(LintGuarantee, `无痛(?:苦|感)|特效|可(?:以)?治愈`),
	refuse(LintSuperlative, `最(?:佳|好|优|優|强|強|先进|先進|安全|高级|高級|高端|专业|專業|权威|權威|顶级|有效|优秀|优质|一流|出色|完善|可靠|知名|著名|前沿|尖端)`),
	refuse(LintSuperlative, `(?:国家|國家|世界|全球|国际|宇宙|顶|殿堂|王牌|最高)级|(?:国家|世界|全球)級|顶尖|頂尖|一流|极致|首屈一指|独一无二|獨一無二|绝无仅有|无与伦比|无可比拟|数一数二|遥遥领先|冠军|No\.?1`),
	refuse(LintSuperlative, `第一`),
	warn(LintSuperlative, `首选|领先|領先|领军|权威|權威|著名|知名|唯一|名医|名醫|高端`),
	refuse(LintComparison, `(?:优于|優於|胜过|强于|高于|好于|低于|领先于|远超|超过|超越|不逊于|不亚于|媲美|比肩|赶超)`+zhNoCount+`{0,10}`+zhPlace),
	refuse(LintComparison, `比[^,。;!?\n]{0,10}`+zhPlace+`[^,。;!?\n]{0,8}(?:更|好|强|优|高|低|快|便宜|先进|安全)`),
	refuse(LintComparison, `(?:其他|其它|别的|同类|一般|普通)(?:医院|机构|诊所)[^,。;!?\n]{0,10}(?:不如|无法|做不到|难以|不及|达不到)`),
	refuse(LintEndorsement, zhWho+`(?:一致|强烈|倾力|联合|亲自|真诚|联名|都|们)*(?:推荐|力荐|代言|好评|点赞|见证|作证|信赖|首选)`),
	refuse(LintEndorsement, `(?:深受|广受|备受|倍受)[^,。;!?\n]{0,10}(?:信赖|好评|欢迎|推崇|赞誉|青睐|认可)|代言|口碑|患者见证|康复案例|成功案例|名人推荐|明星同款`),
	refuse(LintOutcome, `(?:治愈|治癒|有效|成功|显效|总有效)(?:率|比例)`),
	refuse(LintOutcome, zhRateWords+`(?:率|比例)[^,。;!?\n]{0,12}\d|\d+(?:\.\d+)?%[^,。;!?\n]{0,6}(?:治愈|有效|成功|存活|生存|缓解|康复|满意)`),
	warn(LintUnsourced, `[\d万千百余多+]+\s?(?:余|多)?\s?(?:例|台|人次|名患者|位患者|名病人|位病人|个病例)`),
	warn(LintUnsourced, `首(?:个|家|创|例)|(?:规模|体量)?最大的`),
	warn(LintUnsourced, `\d[\d,.]*(?:元|万元|人民币|美元)`),

	// Arabic, Russian, French, Spanish: the plainest cases.
	refuse(LintGuarantee, `(?:نضمن|نتعهد)[^.؟!\n]{0,30}(?:شفاء|الشفاء|نتائج|النتائج|نجاح|النجاح)|شفاء\s+(?:تام|مضمون|كامل)|(?:بدون|بلا)\s+(?:أي\s+)?(?:مخاطر|خطر|مضاعفات)`),
	refuse(LintSuperlative, `أفضل\s+(?:مستشفى|المستشفيات|طبيب|الأطباء|مركز|عيادة|جراح|علاج)|(?:الأفضل|الأول)\s+(?:في|على)|رقم\s+(?:1|١|واحد)|الأكثر\s+(?:أمان|خبرة|تقدم)`),
	refuse(LintOutcome, `(?:نسبة|معدل)\s+(?:ال)?(?:نجاح|شفاء|بقاء)[^.؟!\n]{0,30}[\d٠-٩]`),
	refuse(LintGuarantee, `гарант[а-яё]*[^.;!?\n]{0,30}`+ruOutcome+`|`+ruOutcome+`[а-яё]*\s+гарантирован|(?:полное|полностью)\s+(?:излечен|исцелен|выздоров|безопас)|без\s+(?:риска|рисков|побочных|осложнений)`),
	refuse(LintSuperlative, `лучш(?:ая|ий|ие|ее|их|ей|ем)\s+(?:[а-яё]+\s+)?`+ruWho+`|№\s?1|номер\s+один|сам(?:ый|ая|ое|ые)\s+(?:безопасн|эффективн|опытн|передов|лучш)|мирового\s+(?:класса|уровня)`),
	refuse(LintComparison, `(?:лучше|безопаснее|дешевле|эффективнее|опытнее)[^.;!?\n]{0,30}(?:чем|других)[^.;!?\n]{0,30}(?:больниц|клиник|центр)`),
	refuse(LintOutcome, `(?:успешност|выживаемост|излечен)[а-яё]*[^.;!?\n]{0,40}\d+\s?%|\d+\s?%[^.;!?\n]{0,20}(?:успешн|выжива|излеч)`),
	refuse(LintGuarantee, `garanti(?:e|es|r|s|ssons|t|ssent)?\b[^.;!?\n]{0,30}`+frOutcome+`|`+frOutcome+`\s+garanti|sans\s+(?:aucun\s+)?(?:risque|effet secondaire|complication)s?\b|guérison\s+(?:complète|totale|définitive|assurée)`),
	refuse(LintSuperlative, `\b(?:le|la|les|notre|nos)\s+meilleure?s?\s+(?:hôpita|cliniqu|médecin|chirurgien|équipe|centre|service|spécialiste|traitement|soins)|numéro\s+(?:un\b|1\b)|\bn[°º]\s?1\b|\bles?\s+plus\s+(?:sûre?s?|avancée?s?|expérimentée?s?|efficaces?)\b|de\s+classe\s+mondiale`),
	refuse(LintOutcome, `taux\s+de\s+(?:réussite|guérison|survie|succès)[^.;!?\n]{0,40}\d`),
	refuse(LintGuarantee, `garanti(?:za|zamos|zan|zar|ce)\b[^.;!?\n]{0,30}`+esOutcome+`|`+esOutcome+`\s+garantizad|sin\s+(?:ningún\s+)?(?:riesgo|efecto secundario|efectos secundarios|complicaciones)\b|curación\s+(?:completa|total|definitiva|segura)`),
	refuse(LintSuperlative, `\b(?:el|la|los|las|nuestro|nuestros)\s+mejor(?:es)?\s+(?:hospital|clínica|médic|cirujan|equipo|centro|servicio|especialista|tratamiento|atención)|número\s+uno\b|\bn\.?º\s?1\b|\b(?:el|la)\s+más\s+(?:segur|avanzad|experimentad|eficaz)|de\s+clase\s+mundial`),
	refuse(LintOutcome, `tasas?\s+de\s+(?:éxito|curación|supervivencia)[^.;!?\n]{0,40}\d`),
}

// lintHarmless are turns of speech that hold words of the patterns and mean
// something else: ordinals, terms of medicine, official names.
var lintHarmless = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\bbest[- ](?:corrected|supportive care|interests?|practices?|possible|before)\b|\b(?:at|do (?:our|its|their|your)|try (?:our|its|their|your)|does its) best\b|\bthe best (?:time|moment|way|day|season|interests?|corrected|practice)\b`),
	regexp.MustCompile(`(?i)\b(?:room|building|floor|ward|line|gate|exit|bus|block|phase|step|hospital|day)\s+(?:no\.?|number)\s*(?:1|one)\b|\bno\.?\s*1\s+(?:people|hospital|road|building|floor|gate|ward|middle|medical|central)`),
	regexp.MustCompile(`(?i)\bnot (?:be |yet )?(?:guaranteed|promised)\b`),
	regexp.MustCompile(`(?i)\bno pain (?:relief|killers?|medication)\b|\bno risk (?:score|factors?|assessment)\b`),
	regexp.MustCompile(`第一(?:天|日|次|步|周|月|年|个|阶段|期|轮|代|程|例|夜|晚|批|线|款|条|章|时间|疗程|诊断|助手|作者|顺位|人民|医院|妇婴|附属|中心|康复|临床|医学院|季度|站|层|部分|食堂|诊室)|(?:附属|医大|大学|学院|市|省|院|师)第一`),
	regexp.MustCompile(`根治(?:性|术|手术|切除|放疗|放化疗|剂量|治疗|目的|幽门)`),
	regexp.MustCompile(`最佳(?:矫正|支持治疗|时机|时间|日期|季节|入院)|最好(?:提前|在|先|由|能|不|有|携带|于|请|避免|事先|带|预留|与|是|穿|选|安排)|最优惠?支持`),
	regexp.MustCompile(`(?:国家|世界|国际)级(?:继续|医学继续)|国家级(?:口岸|继续教育)`),
	regexp.MustCompile(`(?:手术|移植|穿刺|取卵|操作|放置|置入)成功(?:后|前)`),
	regexp.MustCompile(`口碑(?:调查|监测)`),
}

// lintNegated end in a word that turns what follows into its opposite, within
// the same part of a sentence: "there is no guarantee of a cure".
var lintNegated = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\b(?:no|not|never|cannot|can['’]t|nobody|neither|nor|without|doesn['’]t|don['’]t|isn['’]t|aren['’]t)\b[^.,;:!?\n]{0,24}$`),
	regexp.MustCompile(`(?:不|未|无法|並非|并非|没有|没|非|勿|禁止|不得|不能|不会|不可)[^,。;!?、\n]{0,5}$`),
	regexp.MustCompile(`(?i)(?:^|[\s])(?:не|нет|никто не|без)\s[^.,;!?\n]{0,20}$`),
	regexp.MustCompile(`(?i)\b(?:pas|aucune?|ne|ni|jamais)\b[^.,;!?\n]{0,20}$`),
	regexp.MustCompile(`(?i)\b(?:no|ningún|ninguna|nunca|ni|tampoco)\b[^.,;!?\n]{0,20}$`),
	regexp.MustCompile(`(?:^|\s)(?:لا|لن|لم|ليس|ليست|دون)\s[^.،؛!؟\n]{0,20}$`),
}

// lintNotOnly are words that look like a negation and are none.
var lintNotOnly = regexp.MustCompile(`(?i)\bnot (?:only|just|merely)\b[^.;!?\n]{0,24}$|不(?:仅|但|只|光|愧)[^,。;!?\n]{0,5}$|无不[^,。;!?\n]{0,5}$`)

// lintBefore is how many bytes before a match are read for a negation.
const lintBefore = 96

// LintText reads one text and returns what may not stand in a listing, in the
// order of the text. Whoever states it and for which language does not matter:
// every pattern is looked for.
func LintText(field, lang, text string) []LintFinding {
	plain := lintPlain(text)
	masked := plain
	for _, h := range lintHarmless {
		masked = h.ReplaceAllStringFunc(masked, func(s string) string { return strings.Repeat("\x00", len(s)) })
	}
	type hit struct {
		from, to int
		lintPattern
	}
	var hits []hit
	for _, p := range lintPatterns {
		for _, at := range p.words.FindAllStringIndex(masked, -1) {
			if !negated(masked[:at[0]]) {
				hits = append(hits, hit{at[0], at[1], p})
			}
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int {
		if a.severity != b.severity {
			return cmp.Compare(a.severity, b.severity) // what is refused says more
		}
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to))
	})
	var kept []hit
	for _, h := range hits {
		if !slices.ContainsFunc(kept, func(k hit) bool { return h.from < k.to && k.from < h.to }) {
			kept = append(kept, h)
		}
	}
	slices.SortFunc(kept, func(a, b hit) int { return cmp.Compare(a.from, b.from) })
	var out []LintFinding
	for _, h := range kept {
		out = append(out, LintFinding{Field: field, Lang: lang, Rule: h.rule, Severity: h.severity,
			Words: strings.TrimSpace(strings.ReplaceAll(plain[h.from:h.to], "\x00", "")), Message: lintMessages[h.rule]})
	}
	return out
}

func negated(before string) bool {
	if len(before) > lintBefore {
		before = strings.ToValidUTF8(before[len(before)-lintBefore:], "")
	}
	return !lintNotOnly.MatchString(before) && slices.ContainsFunc(lintNegated, func(n *regexp.Regexp) bool { return n.MatchString(before) })
}

// lintPlain undoes what hides words: compatibility forms, invisible characters,
// blanks between Chinese characters. Compatibility forms turn the punctuation
// of Chinese into that of English, so patterns name the latter.
func lintPlain(text string) string {
	runes := []rune(norm.NFKC.String(strings.ToValidUTF8(text, "")))
	out := make([]rune, 0, len(runes))
	for i, r := range runes {
		switch {
		case r == 0 || unicode.Is(unicode.Cf, r):
		case unicode.IsSpace(r) && i > 0 && unicode.Is(unicode.Han, lastOf(out)) && unicode.Is(unicode.Han, nextOf(runes[i:])):
		default:
			out = append(out, r)
		}
	}
	return string(out)
}

func lastOf(runes []rune) rune {
	if len(runes) == 0 {
		return 0
	}
	return runes[len(runes)-1]
}

// nextOf returns the first rune that is no blank.
func nextOf(runes []rune) rune {
	for _, r := range runes {
		if !unicode.IsSpace(r) {
			return r
		}
	}
	return 0
}

// lintTexts notes what may not stand in a text in any of its languages, the
// languages in their order.
func lintTexts(field string, t Text) []LintFinding {
	var out []LintFinding
	for _, lang := range slices.Sorted(maps.Keys(t)) {
		out = append(out, LintText(field, lang, t[lang])...)
	}
	return out
}

// lintClaim reads a claim. One with a source may say what its source says of
// rank, which the operator checks, and one that is marked as an outcome may
// give rates; nothing may be promised in either.
func lintClaim(field string, c Claim) []LintFinding {
	var out []LintFinding
	for _, f := range lintTexts(field+".text", c.Text) {
		switch {
		case f.Rule == LintUnsourced, f.Rule == LintOutcome && c.Outcome:
			continue
		case f.Rule == LintSuperlative && c.Source.Address != "":
			f.Severity = Warn
		}
		out = append(out, f)
	}
	if c.Source.Address == "" {
		out = append(out, LintFinding{Field: field + ".source.address", Rule: LintUnsourced, Severity: Warn, Message: lintMessages[LintUnsourced]})
	}
	return out
}

// Lint reads everything in an entry that patients will read. It is pure: the
// editor asks it while somebody types, submission refuses what it refuses.
func Lint(v Entity) []LintFinding {
	var out []LintFinding
	readTexts(v, func(field string, t Text) { out = append(out, lintTexts(field, t)...) },
		func(field string, c Claim) { out = append(out, lintClaim(field, c)...) })
	return out
}

// lintErr is what submission refuses.
func lintErr(v Entity) error {
	var f fault.Fields
	for _, finding := range Lint(v) {
		if finding.Severity == Refuse {
			f.Add(finding.Path(), "lint-"+string(finding.Rule), "%q: %s", clip(finding.Words), finding.Message)
		}
	}
	return f.Err("the listing says what it may not say")
}
